/**
 * DPO on a base of fewer bits beside the same on float32: the embedded model, its first prompts, the same sampled
 * negatives, 50 steps of the default settings. References are those of each base itself, as in a run.
 */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { openDevice } from '../../src/engine/backend.ts';
import { loadLanguageModel } from '../../src/engine/language-model.ts';
import type { Group, LanguageModel, Trainer } from '../../src/engine/types.ts';
import { dpoLoss } from '../../src/model/loss.ts';
import { modelWeights } from '../../src/model/parameters.ts';
import { PRECISIONS, type Precision } from '../../src/model/precision.ts';
import { stream } from '../../src/model/random.ts';
import { learningRate } from '../../src/model/schedule.ts';
import { weightBytes } from '../../src/model/weight-form.ts';
import { defaultConfig } from '../../src/pipeline/config.ts';
import { folder } from '../lib/native.ts';

const MODEL = fileURLToPath(new URL('../../public/models/default-lm', import.meta.url));
const DATA = fileURLToPath(new URL('../../public/datasets/word-helper/train.jsonl', import.meta.url));
const [STEPS, BATCH, PROMPTS, NEGATIVES] = [50, 4, 32, 3];
const { dpo, lora, seed } = defaultConfig();

export interface Tracked {
  readonly precision: Precision;
  readonly megabytes: number;
  /** DPO loss over all prompts after the last step. */
  readonly loss: number;
  /** Largest difference of a step's loss from float32's, as a share of the first step's. */
  readonly apart: number;
  readonly losses: readonly number[];
  readonly secondsAStep: number;
}

export async function trackPrecisions(): Promise<Tracked[]> {
  const groups = await preferenceGroups();
  const results: Tracked[] = [];
  for (const precision of PRECISIONS) {
    const model = await load(precision);
    const result = await dpoRun(model, groups);
    const [first] = results;
    const apart = Math.max(0, ...result.losses.map((x, i) => Math.abs(x - (first?.losses[i] ?? x))));
    const bytes = modelWeights(model.config).reduce((sum, w) => sum + weightBytes(precision, w), 0);
    results.push({ ...result, precision, megabytes: bytes / 1e6, apart: apart / (result.losses[0] ?? 1) });
    await model.dispose();
    console.error(`${precision}: loss ${result.loss.toFixed(5)}`);
  }
  return results;
}

const load = async (precision: Precision): Promise<LanguageModel> =>
  loadLanguageModel(await openDevice({ backend: 'wasm', threads: 1 }), folder(MODEL), { precision });

/** Targets of the data against what the float32 model answers. */
async function preferenceGroups(): Promise<Group[]> {
  const model = await load('f32');
  const { tokenizer } = model;
  const rows = (await readFile(DATA, 'utf8'))
    .split('\n')
    .slice(0, PROMPTS)
    .map((line): { prompt: string; target: string } => JSON.parse(line));
  const prompts = rows.map(({ prompt }) => tokenizer.renderPrompt([{ role: 'user', content: prompt }]).ids);
  const groups: Group[] = [];
  const sampler = await model.createSampler(lora, null);
  await sampler.sample(
    prompts.map((promptIds, i) => ({ promptIds, n: NEGATIVES, seed: i })),
    { temperature: 1, topP: 1, topK: 0, maxTokens: 24, stopIds: tokenizer.stopIds },
    (i, samples) => {
      const target = tokenizer.encodeTarget(rows[i]?.target ?? '');
      groups[i] = { promptIds: prompts[i] ?? [], responseIds: [target, ...samples.map((s) => s.tokenIds)] };
    },
  );
  await sampler.dispose();
  await model.dispose();
  return groups;
}

const sums = async (trainer: Trainer, groups: readonly Group[]): Promise<number[][]> =>
  (await trainer.logps(groups)).map((g) => g.map((response) => response.reduce((a, b) => a + b, 0)));

async function dpoRun(model: LanguageModel, groups: readonly Group[]) {
  const trainer = await model.createTrainer(lora, { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, ...dpo }, seed);
  const references = await sums(trainer, groups);
  const loss = (members: readonly number[]) => (i: number, logps: readonly number[]) => {
    const at = members[i] ?? 0;
    const tokens = groups[at]?.responseIds[0]?.length ?? 1;
    return dpoLoss(logps, references[at] ?? [], tokens, {
      kind: dpo.loss,
      beta: dpo.beta,
      ftx: dpo.ftx,
      groups: members.length,
    });
  };
  const random = stream(seed, 'precision');
  const losses: number[] = [];
  const started = performance.now();
  for (let step = 0; step < STEPS; step++) {
    const members = Array.from({ length: BATCH }, () => Math.floor(random() * groups.length));
    const batch = members.flatMap((i) => groups[i] ?? []);
    const rate = learningRate({ ...dpo, name: dpo.schedule, totalSteps: STEPS }, step);
    losses.push((await trainer.step(batch, loss(members), rate)).loss);
  }
  const secondsAStep = (performance.now() - started) / 1000 / STEPS;
  const all = [...groups.keys()];
  const final = (await sums(trainer, groups)).reduce((sum, logps, i) => sum + loss(all)(i, logps).loss, 0);
  await trainer.dispose();
  return { loss: final, losses, secondsAStep };
}

/** Allowed distance of the final loss from float32's. */
const ALLOWED: Readonly<Record<Precision, number>> = { f32: 0, f16: 0.02, q8: 0.02, q4: 0.05 };

export async function precisionRows(): Promise<{ name: string; value: string; peer: string }[]> {
  const results = await trackPrecisions();
  const reference = results.find(({ precision }) => precision === 'f32')?.loss ?? 0;
  return results.map(({ precision, loss, losses, megabytes, apart, secondsAStep }) => {
    const off = Math.abs(loss / reference - 1);
    return {
      name: `DPO, ${STEPS} steps on a base of ${precision}`,
      value: `loss ${(losses[0] ?? 0).toFixed(4)} -> ${loss.toFixed(5)}`,
      peer: `${off > ALLOWED[precision] ? 'TOO FAR: ' : ''}${(100 * off).toFixed(2)} % from f32 (at most ${100 * ALLOWED[precision]} %), steps within ${(100 * apart).toFixed(2)} %; weights ${megabytes.toFixed(2)} MB, ${secondsAStep.toFixed(2)} s a step`,
    };
  });
}
