/** The mined pairs as preference files of TRL and LLaMA-Factory, the answers as JSONL and Parquet. */
import { parquetWriteBuffer } from 'hyparquet-writer';
import type { ChatMessage } from '../../engine/types.ts';
import { promptMessages } from '../prepare.ts';
import type { ExportFile } from '../worker-api.ts';
import { jsonFile, jsonLines, minedPairs, type PairRow, sampledResponses } from './rows.ts';
import { ExportError, type ExportRun } from './types.ts';

async function pairsOf({ store }: ExportRun): Promise<PairRow[]> {
  const pairs = await minedPairs(store);
  if (pairs.length === 0) {
    throw new ExportError(
      'There are no pairs yet: they are mined by the Filter stage and scored as DPO begins.',
    );
  }
  return pairs;
}

const assistant = (content: string): ChatMessage[] => [{ role: 'assistant', content }];

/**
 * TRL's "standard" form: plain strings. Earlier turns stand before the prompt, a line each, as a model without a
 * chat template is shown them.
 */
export const trlStandard = (pair: PairRow) => ({
  prompt: promptMessages(pair)
    .map(({ content }) => content)
    .join('\n'),
  chosen: pair.chosen,
  rejected: pair.rejected,
});

/** TRL's "conversational" form: lists of messages, rendered by the chat template of the model that is trained. */
export const trlConversational = (pair: PairRow) => ({
  prompt: promptMessages(pair),
  chosen: assistant(pair.chosen),
  rejected: assistant(pair.rejected),
});

/** trl/pairs.jsonl (standard) and trl/pairs-conversational.jsonl. */
export async function* exportTrl(run: ExportRun): AsyncGenerator<ExportFile> {
  const pairs = await pairsOf(run);
  yield { path: 'trl/pairs.jsonl', bytes: jsonLines(pairs.map(trlStandard)) };
  yield { path: 'trl/pairs-conversational.jsonl', bytes: jsonLines(pairs.map(trlConversational)) };
}

/** A preference data set in ShareGPT form, and its entry for LLaMA-Factory's data/dataset_info.json. */
export async function* exportLlamaFactory(run: ExportRun): AsyncGenerator<ExportFile> {
  const pairs = await pairsOf(run);
  const name = run.slug.replaceAll('-', '_');
  const from = { user: 'human', assistant: 'gpt', system: 'system' } as const;
  const said = ({ role, content }: ChatMessage) => ({ from: from[role], value: content });
  const rows = pairs.map((pair) => {
    const messages = promptMessages(pair);
    // A system message is a column of its own there: conversations must begin with the human.
    const system = messages.flatMap(({ role, content }) => (role === 'system' ? [content] : [])).join('\n\n');
    return {
      conversations: messages.filter(({ role }) => role !== 'system').map(said),
      chosen: { from: 'gpt', value: pair.chosen },
      rejected: { from: 'gpt', value: pair.rejected },
      system,
    };
  });
  yield { path: `llama-factory/${name}.json`, bytes: jsonFile(rows) };
  const columns = { messages: 'conversations', chosen: 'chosen', rejected: 'rejected', system: 'system' };
  const entry = { file_name: `${name}.json`, ranking: true, formatting: 'sharegpt', columns };
  yield { path: 'llama-factory/dataset_info.json', bytes: jsonFile({ [name]: entry }) };
}

/** Every sampled answer with its similarity, as a Parquet table; responses.jsonl holds the same rows. */
export async function* exportParquet({ store }: ExportRun): AsyncGenerator<ExportFile> {
  const rows = await sampledResponses(store);
  if (rows.length === 0)
    throw new ExportError('There are no answers yet: they are drawn by the Sample stage.');
  const column = <K extends keyof (typeof rows)[number]>(name: K) => rows.map((row) => row[name]);
  const buffer = parquetWriteBuffer({
    columnData: [
      { name: 'prompt_index', data: column('prompt_index'), type: 'INT32', nullable: false },
      { name: 'prompt', data: column('prompt'), type: 'STRING', nullable: false },
      { name: 'text', data: column('text'), type: 'STRING', nullable: false },
      { name: 'similarity', data: column('similarity'), type: 'DOUBLE', nullable: true },
      { name: 'kept', data: column('kept'), type: 'BOOLEAN', nullable: true },
      { name: 'logp', data: column('logp'), type: 'DOUBLE', nullable: false },
      { name: 'tokens', data: rows.map((row) => row.token_ids.length), type: 'INT32', nullable: false },
    ],
  });
  yield { path: 'parquet/responses.parquet', bytes: new Uint8Array(buffer) };
}
