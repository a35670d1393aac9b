/** Vectors as transformers.js gives them, whatever is embedded together. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { env, PreTrainedTokenizer, pipeline } from '@huggingface/transformers';
import { describe, expect, test } from 'vitest';
import { realAnswers } from '../../scripts/bench/embedding/texts.ts';
import { folder } from '../../scripts/lib/native.ts';
import { embedBatches, paddedLength } from '../../src/engine/embed-batches.ts';
import { openEmbedder } from '../../src/engine/embedder.ts';
import { isUnigram, segmenter } from '../../src/engine/unigram.ts';
import { attentionEmbedder } from '../fixtures/attention-embedder.ts';
import { embedderSuite, texts } from '../fixtures/embedder-suite.ts';
import { REAL_DATA, REAL_DATA_NOTE, realFile } from '../fixtures/realdata.ts';

const EMBEDDED = folder(fileURLToPath(new URL('../../public/models/default-embedder', import.meta.url)));

describe('an embedder with attention (Node)', () => embedderSuite(() => EMBEDDED));

describe('against transformers.js one text at a time', () => {
  test.each(['mean', 'cls'] as const)(
    '%s',
    async (pooling) => {
      const source = attentionEmbedder(EMBEDDED);
      const scratch = await mkdtemp(join(tmpdir(), 'self-contrast-embedder-'));
      const before = env.localModelPath;
      try {
        for (const path of ['config.json', 'tokenizer.json', 'tokenizer_config.json', 'onnx/model.onnx']) {
          const file = join(scratch, 'plain', path);
          await mkdir(dirname(file), { recursive: true });
          await writeFile(file, (await source.read(path)) ?? '');
        }
        env.localModelPath = scratch;
        const plain = await pipeline('feature-extraction', 'plain', {
          dtype: 'fp32',
          local_files_only: true,
        });
        const embedder = await openEmbedder({ source, pooling });
        const list = texts().filter((_, i) => i % 4 === 0);
        const vectors = await embedder.embed(list);
        for (const [i, text] of list.entries()) {
          const { data } = await plain(text, { pooling, normalize: true });
          const distance = Math.max(...(vectors[i]?.map((x, j) => Math.abs(x - Number(data[j]))) ?? [1]));
          expect(distance, text).toBeLessThan(1e-5);
        }
      } finally {
        env.localModelPath = before;
        await rm(scratch, { recursive: true, force: true });
      }
    },
    60_000,
  );
});

test('every run of a length has the same shape, and a text goes by its own length', () => {
  expect([0, 1, 8, 9, 500, 513].map((tokens) => paddedLength(tokens, 1e30))).toEqual([8, 8, 8, 16, 512, 768]);
  // Positions end where the model's do.
  expect([90, 100].map((tokens) => paddedLength(tokens, 100))).toEqual([96, 100]);
  const batches = embedBatches([...Array(70).fill(5), 300, 0, 400, 401], 512);
  expect(batches.map(({ length, rows, members }) => [length, rows, members.length])).toEqual([
    [8, 64, 64],
    [8, 64, 7],
    [384, 1, 1],
    [512, 1, 1],
    [512, 1, 1],
  ]);
  expect(batches.flatMap(({ members }) => members).sort((a, b) => a - b)).toEqual([...Array(74).keys()]);
});

describe('Unigram pieces are those of transformers.js', () => {
  /** Both ways of the model of a tokenizer.json. */
  const both = (json: object) => {
    const { model } = new PreTrainedTokenizer(json, {})._tokenizer;
    if (!isUnigram(model)) throw new Error('not Unigram');
    return [(text: string) => model.tokenize(text), segmenter(model)] as const;
  };

  test('with ties, unknown characters and characters of two units', () => {
    const vocab: [string, number][] = [
      ['<unk>', 0],
      ['▁', -2],
      ['a', -3],
      ['b', -3],
      ['ab', -6],
      ['ba', -6],
      ['aba', -9],
      ['▁ab', -5.5],
      ['bb', -5],
      ['🦆', -4],
      ['🦆🦆', -7.9],
      ['c▁c', -1],
      ['ccc', -2],
    ];
    const model = { type: 'Unigram', unk_id: 0, vocab };
    const rest = {
      normalizer: null,
      pre_tokenizer: null,
      post_processor: null,
      decoder: null,
      added_tokens: [],
    };
    const [plain, quick] = both({ ...rest, model });
    const letters = ['a', 'b', '▁', '🦆', 'c', 'x', '\ud83e'];
    expect(quick('')).toEqual(plain(''));
    for (let i = 0; i < 3000; i++) {
      const text = Array.from(
        { length: 1 + (i % 12) },
        (_, j) => letters[(i * 7919 + j * (i % 13) * 31 + ((i * j) >> 3)) % 7],
      ).join('');
      expect(quick(text), text).toEqual(plain(text));
    }
  });

  test.skipIf(REAL_DATA === null)(`with a real vocabulary and real answers (${REAL_DATA_NOTE})`, async () => {
    const json = JSON.parse(new TextDecoder().decode(await realFile('embedder-m2v-bge64/tokenizer.json')));
    const [plain, quick] = both(json);
    for (const answer of await realAnswers(REAL_DATA ?? '', 500, false)) {
      const text = `▁${answer.toLowerCase().replaceAll(' ', '▁')}`;
      expect(quick(text)).toEqual(plain(text));
    }
  });
});
