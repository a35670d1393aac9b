/**
 * What the default reward model is worth: how well its scores tell right answers of the default language model from
 * wrong ones, the data set's graders being the measure. npx tsx scripts/default/reward-check.ts [FOLDER]
 */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { loadLanguageModel } from '../../src/engine/language-model.ts';
import { openRewardModel } from '../../src/engine/reward-model.ts';
import { auc, type Judged } from '../../src/lab/stats/index.ts';
import { seedOf } from '../../src/model/random.ts';
import { readRows } from '../../src/pipeline/dataset.ts';
import { grade } from '../../src/pipeline/grade.ts';
import { bytesFile } from '../../src/pipeline/import/index.ts';
import { promptMessages } from '../../src/pipeline/prepare.ts';
import { folder, nativeDevice } from '../lib/native.ts';

const path = (name: string) => fileURLToPath(new URL(`../../public/${name}`, import.meta.url));
const SAMPLES = 8;

const model = await loadLanguageModel(nativeDevice(), folder(path('models/default-lm')));
const reward = await openRewardModel({ source: folder(process.argv[2] ?? path('models/default-reward')) });
const { rows } = await readRows(
  bytesFile(await readFile(path('datasets/word-helper/dev.jsonl')), 'dev.jsonl'),
);

const sampler = await model.createSampler({ rank: 1, alpha: 1, targets: ['q_proj'] }, null);
const answers: string[][] = rows.map(() => []);
await sampler.sample(
  rows.map((row, i) => ({
    promptIds: model.tokenizer.renderPrompt(promptMessages(row)).ids,
    n: SAMPLES,
    seed: seedOf(1, i),
  })),
  { temperature: 1, topP: 1, topK: 0, maxTokens: 32, stopIds: model.tokenizer.stopIds },
  (i, samples) => {
    answers[i] = samples.map(({ tokenIds }) => model.tokenizer.decode(tokenIds).trim());
  },
);

const judged: Judged[][] = [];
let [beaten, compared] = [0, 0];
for (const [i, row] of rows.entries()) {
  const { grader, target } = row;
  const own = answers[i] ?? [];
  if (grader === undefined || target === undefined) continue;
  const messages = promptMessages(row);
  const scores = await reward.score([target, ...own].map((answer) => ({ messages, answer })));
  judged.push(own.map((answer, j) => ({ score: scores[j + 1] ?? 0, good: grade(grader, answer) })));
  for (const score of scores.slice(1)) {
    compared++;
    beaten += score > (scores[0] ?? 0) ? 1 : score === scores[0] ? 0.5 : 0;
  }
}
const all = judged.flat();
const area = auc(judged);
const mean = (good: boolean) => {
  const scores = all.filter((each) => each.good === good).map(({ score }) => score);
  return (scores.reduce((a, b) => a + b, 0) / scores.length).toFixed(2);
};
console.log(
  `${all.length} answers to ${judged.length} prompts, ${((100 * all.filter(({ good }) => good).length) / all.length).toFixed(1)} % right by the graders`,
);
console.log(`mean score of right answers ${mean(true)}, of wrong ones ${mean(false)}`);
if (area) console.log(`AUC ${area.value.toFixed(3)} (${area.low.toFixed(3)} to ${area.high.toFixed(3)})`);
console.log(`win rate against the targets ${((100 * beaten) / compared).toFixed(1)} %`);
