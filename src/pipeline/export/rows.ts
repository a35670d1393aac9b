/** The run's answers and mined pairs as rows, for every format that writes them. */
import { utf8ToBytes } from '@noble/hashes/utils.js';
import type { ChatMessage } from '../../engine/types.ts';
import { preferenceGroups } from '../dpo.ts';
import type { RunStore } from '../types.ts';

/** A line of responses.jsonl. */
export interface ResponseRow {
  readonly prompt_index: number;
  readonly prompt: string;
  readonly text: string;
  readonly similarity: number | null;
  readonly kept: boolean | null;
  readonly prompt_ids: readonly number[];
  readonly token_ids: readonly number[];
  readonly logp: number;
}

/** A line of pairs.jsonl, and the turns before the prompt. */
export interface PairRow {
  readonly history: readonly ChatMessage[];
  readonly prompt: string;
  readonly chosen: string;
  readonly rejected: string;
  readonly similarity: number | null;
  readonly ref_chosen_logp: number | null;
  readonly ref_rejected_logp: number;
  readonly prompt_ids: readonly number[];
  readonly chosen_ids: readonly number[];
  readonly rejected_ids: readonly number[];
}

export const jsonLines = (rows: readonly unknown[]): Uint8Array =>
  utf8ToBytes(rows.map((row) => `${JSON.stringify(row)}\n`).join(''));

export const jsonFile = (value: unknown): Uint8Array => utf8ToBytes(`${JSON.stringify(value, null, 2)}\n`);

export async function sampledResponses(store: RunStore): Promise<ResponseRow[]> {
  const data = await store.prepared();
  return (await store.responses()).flatMap(({ index, responses }) =>
    responses.map(({ text, similarity = null, kept = null, tokenIds, logp }) => ({
      prompt_index: index,
      prompt: data?.train[index]?.prompt ?? '',
      text,
      similarity,
      kept,
      prompt_ids: data?.train[index]?.promptIds ?? [],
      token_ids: tokenIds,
      logp,
    })),
  );
}

/** The pairs DPO has trained on (those whose target has a reference), as they were drawn. */
export async function minedPairs(store: RunStore): Promise<PairRow[]> {
  const data = await store.prepared();
  if (!data) return [];
  const [responses, pairs, scored] = [await store.responses(), await store.pairs(), await store.references()];
  const references = new Map(scored.map(({ index, logp }) => [index, logp] as const));
  const byIndex = new Map(responses.map((record) => [record.index, record.responses] as const));
  const groups = new Map(
    preferenceGroups(data, responses, pairs, references).map((g) => [g.index, g] as const),
  );
  return pairs.flatMap(({ index, response }) => {
    const row = data.train[index];
    const rejected = byIndex.get(index)?.[response];
    const group = groups.get(index);
    if (!row || !rejected || !group) return [];
    return {
      history: row.history ?? [],
      prompt: row.prompt,
      chosen: row.target,
      rejected: rejected.text,
      similarity: rejected.similarity ?? null,
      ref_chosen_logp: group.references[0] ?? null,
      ref_rejected_logp: rejected.logp,
      prompt_ids: row.promptIds,
      chosen_ids: row.targetIds,
      rejected_ids: rejected.tokenIds,
    };
  });
}
