import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { folder } from '../../scripts/lib/native.ts';
import { openDevice } from '../../src/engine/backend.ts';
import { openEmbedder } from '../../src/engine/embedder.ts';
import { loadLanguageModel } from '../../src/engine/language-model.ts';
import { loadTokenizer } from '../../src/engine/tokenizer.ts';
import type { LanguageModel } from '../../src/engine/types.ts';
import { REAL_DATA, REAL_DATA_NOTE, realFile, realPath } from '../fixtures/realdata.ts';
import { greedyStory } from '../fixtures/stories.ts';

describe.skipIf(REAL_DATA === null)(`real models in Node (${REAL_DATA_NOTE})`, () => {
  let model: LanguageModel;
  beforeAll(async () => {
    model = await loadLanguageModel(
      await openDevice({ backend: 'wasm' }),
      folder(realPath('stories260k-hf')),
    );
  });
  afterAll(() => model.dispose());

  test('stories260k decodes greedily to the text its author published (WASM)', async () => {
    const expected = JSON.parse(
      new TextDecoder().decode(await realFile('stories260k-hf/expected_greedy.json')),
    );
    expect(await greedyStory(model, expected.greedy_from_bos_ids.length)).toEqual(
      expected.greedy_from_bos_ids,
    );
  }, 60_000);

  test('a character that several tokens make up is shown whole, at the first of them', async () => {
    const tokenizer = await loadTokenizer(folder(realPath('tokenizers/minimind-6400-chatml')), 6400);
    const text = 'Janet’s naïve 🦆, 1973 Летняя';
    const ids = tokenizer.encodeTarget(text).slice(0, -1);
    const pieces = tokenizer.pieces(ids);
    expect(pieces).toHaveLength(ids.length);
    expect(pieces.join('')).toBe(text);
    expect(pieces).toContain('');
    // What no further token completes is shown as it is.
    expect(tokenizer.pieces(ids.slice(0, pieces.indexOf('')))).toHaveLength(pieces.indexOf(''));
  });

  test('the embedder reproduces the vector that came with it', async () => {
    const embedder = await openEmbedder({
      source: folder(realPath('embedder-m2v-bge64')),
      pooling: 'mean',
    });
    const [want] = JSON.parse(
      new TextDecoder().decode(await realFile('embedder-m2v-bge64/expected_embeddings.json')),
    );
    const [vector] = await embedder.embed(['hello']);
    expect(vector?.length).toBe(want.length);
    (want as number[]).forEach((x, i) => {
      expect(vector?.[i]).toBeCloseTo(x, 4);
    });
  });
});
