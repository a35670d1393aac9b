/** What the page calls the formats that data files come in. Pure. */
import type { Container, FormatName } from '../pipeline/import/index.ts';

export const FORMAT_WORDS: Readonly<Record<FormatName, string>> = {
  mapping: 'columns as you named them',
  'preference-messages': 'preference conversations (chosen and rejected messages)',
  'hh-rlhf': 'HH-RLHF dialogues (chosen and rejected)',
  preference: 'preference rows (prompt, chosen, rejected)',
  nectar: 'Nectar (answers with ranks)',
  messages: 'OpenAI messages',
  sharegpt: 'ShareGPT conversations',
  ultrachat: 'UltraChat',
  verl: 'verl (chat prompts with a ground truth)',
  'self-instruct': 'Self-Instruct (instruction with instances)',
  'mt-bench': 'MT-Bench questions',
  alpaca: 'Alpaca (instruction, input, output)',
  gsm8k: 'GSM8K',
  'prompt-target': 'prompts with answers',
};

const CONTAINER_WORDS: Readonly<Record<Container, string>> = {
  jsonl: 'JSON Lines',
  json: 'JSON',
  csv: 'CSV',
  tsv: 'TSV',
  parquet: 'Parquet',
};

const has = <T extends object>(table: T, key: PropertyKey): key is keyof T => Object.hasOwn(table, key);

/** 'alpaca, sharegpt' as a stored data set has it, in words. */
export function formatWords(names: string): string {
  const words = names.split(', ').map((name) => (has(FORMAT_WORDS, name) ? FORMAT_WORDS[name] : name));
  return words.join('; ');
}

/** 'csv.gz, jsonl' in words. */
export function containerWords(names: string): string {
  const word = (name: string) => {
    const [bare = name, gz] = name.split('.');
    const known = has(CONTAINER_WORDS, bare) ? CONTAINER_WORDS[bare] : bare;
    return gz === 'gz' ? `${known}, gzip` : known;
  };
  return names.split(', ').map(word).join('; ');
}
