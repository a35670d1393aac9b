/**
 * Writes public/datasets/word-helper/others.jsonl: what another model answers to the training prompts, 8 different answers
 * each at temperature 1.
 *
 * npx tsx scripts/pretrain.ts --layers 2 --seed 2 --steps 600 --out out/other-lm
 * npx tsx scripts/default/others.ts --model out/other-lm
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openEmbedder } from '../../src/engine/embedder.ts';
import { loadLanguageModel } from '../../src/engine/language-model.ts';
import { seedOf } from '../../src/model/random.ts';
import { readDataset } from '../../src/pipeline/dataset.ts';
import { grade } from '../../src/pipeline/grade.ts';
import { prepareData, promptKey } from '../../src/pipeline/prepare.ts';
import { responseRecord } from '../../src/pipeline/sample.ts';
import { cosine } from '../../src/pipeline/similarity.ts';
import { folder, nativeDevice } from '../lib/native.ts';

/** Different answers that are kept a prompt, and how many are sampled to find them. */
const KEPT = 8;
const SAMPLED = 32;
const SEED = 1;
const LONGEST = 32;

const { values } = parseArgs({ options: { model: { type: 'string', default: 'out/other-lm' } } });
const place = new URL('../../public/datasets/word-helper/', import.meta.url);
const dataset = await readDataset('train', readFileSync(new URL('train.jsonl', place), 'utf8'));
const model = await loadLanguageModel(nativeDevice(), folder(values.model));
const { train } = prepareData(dataset, model.tokenizer, model.info.contextLength, {
  seed: SEED,
  data: { heldOut: 0, limit: 0, onBadRow: 'stop' },
});
const sampler = await model.createSampler({ rank: 1, alpha: 1, targets: ['q_proj'] }, null);
const answers = new Map<string, string[]>();
await sampler.sample(
  train.map(({ promptIds }, i) => ({ promptIds, n: SAMPLED, seed: seedOf(SEED, 'others', i) })),
  { temperature: 1, topP: 1, topK: 0, maxTokens: LONGEST, stopIds: model.tokenizer.stopIds },
  (index, samples) => {
    const row = train[index];
    if (row === undefined) throw new Error(`internal: no row ${index}`);
    const whole = samples.filter(({ stopped }) => stopped);
    const texts = whole.map((sample) => responseRecord(sample, model.tokenizer.decode).text);
    answers.set(promptKey(row), [...new Set(texts)].filter((text) => text !== '').slice(0, KEPT));
  },
);
await sampler.dispose();
await model.dispose();

const lines = train.map((row) => ({ prompt: row.prompt, answers: answers.get(promptKey(row)) ?? [] }));
writeFileSync(new URL('others.jsonl', place), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));

// What they are like: how often right, and how near to the target.
const embedder = await openEmbedder({
  source: folder(fileURLToPath(new URL('../../public/models/default-embedder', import.meta.url))),
  pooling: 'auto',
});
let [right, count, near, withWrong, short] = [0, 0, 0, 0, 0];
for (const [i, row] of train.entries()) {
  const texts = lines[i]?.answers ?? [];
  const [target, ...vectors] = await embedder.embed([row.target, ...texts]);
  const correct = texts.map((text) => row.grader !== undefined && grade(row.grader, text));
  right += correct.filter(Boolean).length;
  if (correct.includes(false)) withWrong++;
  if (texts.length < KEPT) short++;
  count += texts.length;
  for (const vector of vectors) if (target !== undefined) near += cosine(target, vector);
}
console.log(
  `${count} answers to ${train.length} prompts, ${short} prompts with fewer than ${KEPT}; ` +
    `right ${((100 * right) / count).toFixed(1)} %, mean similarity to the target ${(near / count).toFixed(3)}; ` +
    `${withWrong} prompts have a wrong one`,
);
