/** The pooling that an embedder's files ask for: what is read of them, and what the vectors are then. */
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { folder } from '../../scripts/lib/native.ts';
import { openEmbedder } from '../../src/engine/embedder.ts';
import type { FileSource } from '../../src/model/files.ts';
import { bytesFile, wholeFiles } from '../../src/model/files.ts';
import { readPooling } from '../../src/model/pooling.ts';
import { InputError } from '../../src/model/text.ts';

const DEFAULT = folder(fileURLToPath(new URL('../../public/models/default-embedder', import.meta.url)));
const POOLING = '1_Pooling/config.json';
const bytes = (value: unknown) =>
  new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value));

/** A folder with these files beside or instead of its own. */
function withFiles(source: FileSource, files: Readonly<Record<string, unknown>>): FileSource {
  const own = (path: string) => (path in files ? bytes(files[path]) : null);
  return {
    name: source.name,
    read: async (path) => own(path) ?? source.read(path),
    open: async (path) => {
      const content = own(path);
      return content === null ? source.open(path) : bytesFile(content);
    },
  };
}
const only = (files: Readonly<Record<string, unknown>>) =>
  withFiles(
    wholeFiles('e', async () => null),
    files,
  );

/** 1_Pooling/config.json as Sentence Transformers writes it. */
const asked = (...modes: string[]) => ({
  word_embedding_dimension: 384,
  pooling_mode_cls_token: modes.includes('cls_token'),
  pooling_mode_mean_tokens: modes.includes('mean_tokens'),
  pooling_mode_max_tokens: modes.includes('max_tokens'),
  pooling_mode_mean_sqrt_len_tokens: false,
  pooling_mode_weightedmean_tokens: false,
  pooling_mode_lasttoken: modes.includes('lasttoken'),
  include_prompt: true,
});
const step = (kind: string, idx: number) => ({
  idx,
  name: `${idx}`,
  path: `${idx}_${kind}`,
  type: `sentence_transformers.models.${kind}`,
});

test.each([
  ['all-MiniLM-L6-v2', asked('mean_tokens'), 'mean'],
  ['bge-small-en-v1.5, UAE-Large-V1', asked('cls_token'), 'cls'],
  ['Qwen3-Embedding', asked('lasttoken'), 'last_token'],
])('%s', async (_, config, pooling) => {
  const modules = [step('Transformer', 0), step('Pooling', 1), step('Normalize', 2)];
  expect(await readPooling(only({ [POOLING]: config, 'modules.json': modules }))).toBe(pooling);
  expect(await readPooling(only({ [POOLING]: config }))).toBe(pooling);
});

test('without a word about it, the mean', async () => {
  expect(await readPooling(only({}))).toBe('mean');
  expect(await readPooling(only({ 'modules.json': [step('Transformer', 0), step('Pooling', 1)] }))).toBe(
    'mean',
  );
});

test.each([
  [{ [POOLING]: asked('max_tokens') }, 'asks for pooling_mode_max_tokens'],
  [{ [POOLING]: asked('mean_tokens', 'cls_token') }, 'pooling_mode_cls_token and pooling_mode_mean_tokens'],
  [{ [POOLING]: asked() }, 'asks for none'],
  [{ [POOLING]: 'x' }, '1_Pooling/config.json is not valid JSON'],
  [{ [POOLING]: 'null' }, 'asks for none'],
  [{ 'modules.json': [step('Transformer', 0), step('Pooling', 1), step('Dense', 2)] }, 'models.Dense"'],
])('what is not computed here is refused: %j', async (files, message) => {
  const reading = readPooling(only(files));
  await expect(reading).rejects.toThrow(message);
  await expect(reading).rejects.toBeInstanceOf(InputError);
});

test('the vectors are those of the pooling that the files ask for, and the fingerprint tells them apart', async () => {
  const texts = ['The plural of box is boxes.', 'seven'];
  const open = (files: Readonly<Record<string, unknown>>, pooling: 'auto' | 'mean' | 'cls') =>
    openEmbedder({ source: withFiles(DEFAULT, files), pooling });
  const mean = await open({}, 'auto');
  const cls = await open({ [POOLING]: asked('cls_token') }, 'auto');
  const given = { mean: await open({}, 'mean'), cls: await open({}, 'cls') };
  expect(await mean.embed(texts)).toEqual(await given.mean.embed(texts));
  expect(await cls.embed(texts)).toEqual(await given.cls.embed(texts));
  expect(mean.info).toEqual(given.mean.info);
  expect(cls.info).toEqual(given.cls.info);
  expect(cls.info.fingerprint).not.toBe(mean.info.fingerprint);
  // This tokenizer begins every text with the same token, so that token's vector is the same for all.
  const [[one, two], [other, another]] = [await cls.embed(texts), await mean.embed(texts)];
  expect(one).toEqual(two);
  expect(other).not.toEqual(another);
});

test('a folder without a file says which', async () => {
  const source = withFiles(DEFAULT, {});
  const lacking: FileSource = {
    ...source,
    open: async (path) => (path.endsWith('.onnx') ? null : source.open(path)),
  };
  await expect(openEmbedder({ source: lacking, pooling: 'auto' })).rejects.toThrow(
    /the embedder "default-embedder" can't be loaded: .*onnx\/model\.onnx/,
  );
});
