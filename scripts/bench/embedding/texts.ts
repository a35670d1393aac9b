/** Answers that people and models really gave, as texts to embed. */
import { readFile } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';
import { shuffle, stream } from '../../../src/model/random.ts';

const lines = (text: string): string[] => text.split('\n').filter((line) => line.trim() !== '');

/** The last answer of each dialogue of HH-RLHF, of lengths from a word to some hundred. */
async function dialogues(folder: string): Promise<string[]> {
  const packed = await readFile(`${folder}/datasets/hh_rlhf_harmless_base_test.jsonl.gz`);
  return lines(gunzipSync(packed).toString('utf8')).flatMap((line) => {
    const { chosen, rejected }: { chosen: string; rejected: string } = JSON.parse(line);
    return [chosen, rejected].map((text) => text.split('\n\nAssistant:').at(-1)?.trim() ?? '');
  });
}

async function solutions(folder: string): Promise<string[]> {
  const text = await readFile(`${folder}/datasets/gsm8k_test.jsonl`, 'utf8');
  return lines(text).map((line) => {
    const { answer }: { answer: string } = JSON.parse(line);
    return answer;
  });
}

/** Of 16 answers to a prompt of the demo so many are distinct (docs/lab-notes.md). */
const DISTINCT_SHARE = 12.3 / 16;

/** @param duplicates whether texts come again as often as samples of the demo do */
export async function realAnswers(folder: string, count: number, duplicates: boolean): Promise<string[]> {
  const all = [...new Set([...(await dialogues(folder)), ...(await solutions(folder))])].filter(Boolean);
  const distinct = shuffle(all, stream(1, 'texts')).slice(
    0,
    duplicates ? Math.round(count * DISTINCT_SHARE) : count,
  );
  const again = Array.from(
    { length: count - distinct.length },
    (_, i) => distinct[i % distinct.length] ?? '',
  );
  return shuffle([...distinct, ...again], stream(2, 'texts'));
}
