/** Which of a hub model's files are wanted, and what the hub says of them. Pure. */
import * as v from 'valibot';
import { InputError, visible } from '../model/text.ts';
import { SHARD, WEIGHTS_FILE, WEIGHTS_INDEX, weightsIndex } from '../model/weights.ts';
import type { HubUse } from './api.ts';
import { HubError, HubMissingError } from './errors.ts';
import { isCommit } from './name.ts';

/** A file as the hub lists it. */
export interface ListedFile {
  readonly path: string;
  /** Null where the listing does not say. */
  readonly size: number | null;
  readonly hash: { readonly kind: 'sha256' | 'git'; readonly hex: string } | null;
}

export const ONNX_FILE = 'onnx/model.onnx';

/** Small files that there must be, and those that are taken where there are any. */
export const NEEDED: Readonly<Record<HubUse, readonly string[]>> = {
  model: ['config.json', 'tokenizer.json'],
  embedder: ['config.json', 'tokenizer.json', ONNX_FILE],
  reward: ['config.json', 'tokenizer.json', ONNX_FILE],
};
export const OPTIONAL: Readonly<Record<HubUse, readonly string[]>> = {
  model: [
    'generation_config.json',
    'tokenizer_config.json',
    'special_tokens_map.json',
    'added_tokens.json',
    'chat_template.jinja',
    'chat_template.json',
  ],
  embedder: [
    'tokenizer_config.json',
    'special_tokens_map.json',
    'modules.json',
    '1_Pooling/config.json',
    `${ONNX_FILE}_data`,
  ],
  reward: ['tokenizer_config.json', 'special_tokens_map.json', 'chat_template.jinja', `${ONNX_FILE}_data`],
};

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const hex = (length: number) => v.pipe(v.string(), v.regex(new RegExp(`^[0-9a-f]{${length}}$`)));
const listing = v.object({
  sha: v.pipe(v.string(), v.check(isCommit)),
  siblings: v.pipe(
    v.array(
      v.object({
        rfilename: v.string(),
        size: v.nullish(count),
        // Not trusted to be there: mirrors differ.
        blobId: v.fallback(v.nullish(hex(40)), null),
        lfs: v.fallback(v.nullish(v.object({ sha256: hex(64), size: v.nullish(count) })), null),
      }),
    ),
    v.maxLength(100_000),
  ),
});

/** @throws HubError where the answer is not what a hub gives */
export function parseListing(id: string, json: unknown): { commit: string; files: ListedFile[] } {
  const parsed = v.safeParse(listing, json);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw new HubError(
      `the hub's list of files of ${id} can't be read: ${v.getDotPath(issue) ?? 'the answer'}: ${issue.message}`,
    );
  }
  const { sha, siblings } = parsed.output;
  const files = siblings.map(({ rfilename, size, blobId, lfs }): ListedFile => {
    const hash: ListedFile['hash'] = lfs
      ? { kind: 'sha256', hex: lfs.sha256 }
      : blobId
        ? { kind: 'git', hex: blobId }
        : null;
    return { path: rfilename, size: lfs?.size ?? size ?? null, hash };
  });
  return { commit: sha, files };
}

/**
 * The wanted files of those that the hub has; of sharded weights the index, whose shards `shardsOf` names.
 *
 * @throws HubMissingError naming what it lacks
 */
export function wantedFiles(id: string, use: HubUse, files: readonly ListedFile[]): ListedFile[] {
  const find = (path: string) => files.filter((file) => file.path === path).slice(0, 1);
  const needed = NEEDED[use].flatMap((path) => {
    const found = find(path);
    if (found.length === 0) throw new HubMissingError(lacks(id, use, path));
    return found;
  });
  const optional = OPTIONAL[use].flatMap(find);
  if (use !== 'model') return [...needed, ...optional];
  // Where a hub has both forms of the weights, the one file is as good, and half of it is not fetched twice.
  const [weights] = [...find(WEIGHTS_FILE), ...find(WEIGHTS_INDEX)];
  if (weights === undefined) throw new HubMissingError(lacks(id, use, WEIGHTS_FILE));
  return [...needed, ...optional, weights];
}

const WHAT: Readonly<Record<HubUse, string>> = {
  model:
    'A language model needs config.json, tokenizer.json and its weights as safetensors; other forms of weights (.bin, .gguf) are not read.',
  embedder: `An embedder needs the layout of transformers.js: config.json, tokenizer.json and ${ONNX_FILE}. Many models have a copy in that layout under another name.`,
  reward: `A reward model needs the layout of transformers.js: config.json, tokenizer.json and ${ONNX_FILE}. Many models have a copy in that layout under another name.`,
};

const lacks = (id: string, use: HubUse, path: string): string =>
  `${id} has no ${path} on the hub. ${WHAT[use]}`;

/** The weights files that an index names, each once. @throws InputError */
export function shardsOf(id: string, index: unknown): string[] {
  const parsed = v.safeParse(weightsIndex, index);
  if (!parsed.success) throw new InputError(`${id}: ${WEIGHTS_INDEX} has no weight_map of names to files`);
  const shards = [...new Set(Object.values(parsed.output.weight_map))].sort();
  const bad = shards.find((path) => !SHARD.test(path));
  if (bad !== undefined)
    throw new InputError(
      `${id}: ${WEIGHTS_INDEX} names "${visible(bad)}", which is no .safetensors file of the model`,
    );
  if (shards.length === 0) throw new InputError(`${id}: ${WEIGHTS_INDEX} names no files`);
  return shards;
}
