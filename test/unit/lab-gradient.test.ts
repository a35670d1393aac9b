import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { folder } from '../../scripts/lib/native.ts';
import { openDevice } from '../../src/engine/backend.ts';
import { openEmbedder } from '../../src/engine/embedder.ts';
import { loadLanguageModel } from '../../src/engine/language-model.ts';
import type { LanguageModel, TextEmbedder } from '../../src/engine/types.ts';
import { gradientStudy, promptGradients } from '../../src/lab/diagnosis/gradient.ts';
import { noiseFigures, type PromptGradients, varianceCut } from '../../src/lab/diagnosis/gradient-noise.ts';
import { diagnose } from '../../src/lab/diagnosis/index.ts';
import { dot, Sketch } from '../../src/lab/diagnosis/sketch.ts';
import { dpoLoss, sftLoss } from '../../src/model/loss.ts';
import { stream } from '../../src/model/random.ts';
import { parseConfig } from '../../src/pipeline/config.ts';
import { optimiserOf } from '../../src/pipeline/context.ts';
import { readDataset } from '../../src/pipeline/dataset.ts';
import { prepareData } from '../../src/pipeline/prepare.ts';
import { responseRecord } from '../../src/pipeline/sample.ts';
import { compare } from '../../src/pipeline/similarity.ts';
import type { PreparedData, PromptResponses } from '../../src/pipeline/types.ts';

const gaussian = (random: () => number) => () =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

describe('noise of a made-up gradient', () => {
  const DIMENSIONS = 40;
  const NEGATIVES = 8;

  /**
   * Mean (3, 0, ...); prompts vary by 0.5 and answers by 1 in every dimension, so P = 10 and D = 40; the direction of
   * balanced pairs is 60 degrees away.
   */
  function problem(prompts: number, seed: number): PromptGradients[] {
    const normal = gaussian(stream(seed, 'made up'));
    const vector = (of: (i: number) => number) => Float32Array.from({ length: DIMENSIONS }, (_, i) => of(i));
    return Array.from({ length: prompts }, () => {
      const answers = Array.from({ length: NEGATIVES }, () => vector(() => normal()));
      const sum = (sign: (j: number) => number) =>
        vector((i) => answers.reduce((total, a, j) => total + (sign(j) * (a[i] ?? 0)) / NEGATIVES, 0));
      const drawn = sum(() => 1);
      const contrast = sum((j) => (j % 2 === 0 ? 1 : -1));
      const own = vector((i) => (i === 0 ? 3 : 0) + 0.5 * normal());
      return {
        mean: own.map((x, i) => x + (drawn[i] ?? 0)),
        negatives: NEGATIVES,
        halves: dot(contrast, contrast),
        balanced: vector((i) => (i === 0 ? 0.5 : i === 1 ? Math.sqrt(0.75) : 0) + 0.1 * normal()),
      };
    });
  }

  const expected = (k: number) => (10 + 40 / k) / (16 * 9);

  test('is what it was made of', () => {
    const found = noiseFigures(problem(200, 1), [1, 2, 4, 8, 16], 16);
    for (const [i, k] of [1, 2, 4, 8, 16].entries()) {
      expect(Math.abs((found?.noise[i]?.value ?? 0) / expected(k) - 1)).toBeLessThan(0.12);
      expect(Math.abs((found?.draw[i]?.value ?? 0) / (40 / k / (16 * 9)) - 1)).toBeLessThan(0.12);
      expect(found?.cosine?.[i]?.value).toBeCloseTo(0.5 / Math.sqrt(1 + expected(k)), 1);
    }
    expect(Math.abs((found?.fromPrompts.value ?? 0) / (10 / (16 * 9)) - 1)).toBeLessThan(0.15);
    expect(found?.direction?.value).toBeCloseTo(0.5, 1);
    // By hand: log noise over log k = 0, 1, 2, 3, 4 doublings of 50, 30, 20, 15, 12.5, in doublings.
    const logs = [50, 30, 20, 15, 12.5].map((x) => Math.log2(x));
    const slope = logs.reduce((sum, y, i) => sum + ((i - 2) * y) / 10, 0);
    expect(Math.abs((found?.slope.value ?? 0) - slope)).toBeLessThan(0.05);
  });

  test('lies within the interval about as often as it should', () => {
    let [noise, direction] = [0, 0];
    const rounds = 30;
    for (let seed = 0; seed < rounds; seed++) {
      const found = noiseFigures(problem(40, 100 + seed), [4], 16);
      const [figure] = found?.noise ?? [];
      if (figure && figure.low <= expected(4) && expected(4) <= figure.high) noise++;
      if (found?.direction && found.direction.low <= 0.5 && 0.5 <= found.direction.high) direction++;
    }
    // 95 % of 30 is 28.5; fewer than 24 would be a chance of one in a thousand.
    expect(noise).toBeGreaterThanOrEqual(24);
    expect(direction).toBeGreaterThanOrEqual(24);
  });

  test('is not told where the mean gradient is lost in it', () => {
    const lost = problem(20, 5).map((p) => ({
      ...p,
      mean: p.mean.map((x, i) => (i === 0 ? 0 : x)),
    }));
    expect(noiseFigures(lost, [1, 2], 16)).toBeNull();
  });

  test('how much less it varies with more negatives needs no mean gradient', () => {
    // (10 + 40) / (10 + 40 / 16)
    const cut = varianceCut(problem(200, 1), [1, 2, 4, 8, 16]);
    expect(cut).toMatchObject({ fewest: 1, most: 16 });
    expect(Math.abs((cut?.times.value ?? 0) / 4 - 1)).toBeLessThan(0.12);
    expect(cut?.times.low).toBeLessThan(4);
    expect(cut?.times.high).toBeGreaterThan(4);
    expect(varianceCut(problem(200, 1), [4])).toBeNull();
  });

  test('without balanced pairs there is no direction', () => {
    const plain = problem(20, 6).map(({ balanced: _balanced, ...rest }) => rest);
    expect(noiseFigures(plain, [1], 16)).toMatchObject({ cosine: null, direction: null });
  });
});

test('a sketch keeps products, and short vectors as they are', () => {
  const normal = gaussian(stream(9, 'sketch'));
  const long = () => [Float32Array.from({ length: 150_000 }, normal), new Float32Array(50_000).fill(0.1)];
  const sketch = new Sketch();
  const [a, b] = [long(), long()];
  const exact = (x: Float32Array[], y: Float32Array[]) =>
    x.reduce((sum, v, i) => sum + dot(v, y[i] ?? new Float32Array(0)), 0);
  const [sa, sb] = [sketch.of(a), sketch.of(b)];
  expect(sa).toHaveLength(131072);
  const size = exact(a, a);
  expect(Math.abs(dot(sa, sa) / size - 1)).toBeLessThan(0.025);
  expect(Math.abs(dot(sa, sb) - exact(a, b)) / size).toBeLessThan(0.02);
  expect([...sketch.of([new Float32Array([1, 2]), new Float32Array([3])])]).toEqual([1, 2, 3]);
});

describe('on the default model', () => {
  const PUBLIC = fileURLToPath(new URL('../../public/', import.meta.url));
  const config = parseConfig({
    backend: 'wasm',
    data: { heldOut: 0, limit: 10 },
    sample: { n: 8, maxTokens: 12 },
    filter: { mode: 'lastdedup', percent: 75 },
    dpo: { negatives: 2, batch: 4 },
  });
  let model: LanguageModel;
  let embedder: TextEmbedder;
  let data: PreparedData;
  let policy: Float32Array[];
  let responses: PromptResponses[];
  const { signal } = new AbortController();

  beforeAll(async () => {
    model = await loadLanguageModel(
      await openDevice({ backend: 'wasm' }),
      folder(`${PUBLIC}models/default-lm`),
    );
    embedder = await openEmbedder({ source: folder(`${PUBLIC}models/default-embedder`), pooling: 'mean' });
    const text = await readFile(`${PUBLIC}datasets/word-helper/train.jsonl`, 'utf8');
    const dataset = await readDataset('word-helper', text);
    // The same target for all, so that a few prompts have a mean gradient beyond its noise.
    const rows = dataset.rows.map((row) => ({ ...row, target: 'That is what it is.' }));
    data = prepareData({ ...dataset, rows }, model.tokenizer, model.info.contextLength, config);
    policy = await briefSft(model, data);
    const sampler = await model.createSampler(config.lora, policy);
    const sampled: PromptResponses[] = [];
    await sampler.sample(
      data.train.map(({ promptIds }, i) => ({ promptIds, n: 8, seed: i })),
      { temperature: 1, topP: 1, topK: 0, maxTokens: 12, stopIds: model.tokenizer.stopIds },
      (index, samples) => {
        sampled[index] = { index, responses: samples.map((s) => responseRecord(s, model.tokenizer.decode)) };
      },
    );
    await sampler.dispose();
    responses = await compare(embedder, data, sampled, signal);
  }, 240_000);
  afterAll(() => model.dispose());

  /** A few steps, so that both matrices of the adapter have a gradient. */
  async function briefSft(on: LanguageModel, { train }: PreparedData): Promise<Float32Array[]> {
    const trained = await on.createTrainer(config.lora, optimiserOf(config.sft), 1);
    const groups = train.map(({ promptIds, targetIds }) => ({ promptIds, responseIds: [targetIds] }));
    const tokens = train.reduce((sum, { targetIds }) => sum + targetIds.length, 0);
    for (let step = 0; step < 3; step++) {
      await trained.step(groups, (_, [logp = 0]) => sftLoss(logp, tokens), 1e-3);
    }
    const weights = await trained.weights();
    await trained.dispose();
    return [...weights];
  }

  async function trainer() {
    const made = await model.createTrainer(config.lora, optimiserOf(config.dpo), 1);
    const zeros = policy.map((vector) => new Float32Array(vector.length));
    await made.restore({ step: 0, parameters: policy, m: zeros, v: zeros });
    return made;
  }

  test('the mean is the gradient of DPO, and the halves tell the variance of single draws', async () => {
    const trained = await trainer();
    const [row] = data.train;
    const answers = responses[0]?.responses.slice(0, 4) ?? [];
    if (!row || answers.length < 4) throw new Error('the first prompt has no four answers');
    const negatives = answers.map(({ tokenIds }) => tokenIds);
    const settings = { kind: 'sigmoid' as const, beta: config.dpo.beta, ftx: 0, groups: 1 };
    const sketch = new Sketch();
    const dpoGradient = async (own: typeof answers) => {
      const responseIds = [row.targetIds, ...own.map(({ tokenIds }) => tokenIds)];
      const [[target = new Float32Array(0)] = []] = await trained.logps([
        { promptIds: row.promptIds, responseIds: [row.targetIds] },
      ]);
      const references = [target.reduce((a, b) => a + b, 0), ...own.map(({ logp }) => logp)];
      const { gradients } = await trained.gradients([{ promptIds: row.promptIds, responseIds }], (_, logps) =>
        dpoLoss(logps, references, row.targetIds.length, settings),
      );
      return sketch.of(gradients);
    };
    const minus = (a: Float32Array, b: Float32Array) => a.map((x, i) => x - (b[i] ?? 0));
    const square = (a: Float32Array) => dot(a, a);

    const whole = await dpoGradient(answers);
    const study = await promptGradients(trained, { row, negatives }, config, sketch);
    expect(Math.sqrt(square(minus(study.mean, whole)) / square(whole))).toBeLessThan(1e-4);
    expect(study.halves).toBeGreaterThan(0);

    // Draws of one answer each, and all three ways to split four answers in halves (even places against odd ones).
    const singles: Float32Array[] = [];
    for (const answer of answers) singles.push(await dpoGradient([answer]));
    const variance = singles.reduce((sum, g) => sum + square(minus(g, whole)), 0) / 3;
    let halves = 0;
    for (const order of [
      [0, 1, 2, 3],
      [0, 2, 1, 3],
      [0, 1, 3, 2],
    ]) {
      const task = { row, negatives: order.map((j) => negatives[j] ?? []) };
      const found = await promptGradients(trained, task, config, sketch);
      halves += (found.halves * 4) / 3;
    }
    expect(Math.abs(halves / variance - 1)).toBeLessThan(1e-3);
    await trained.dispose();
  }, 120_000);

  test('a diagnosis is whole, the same again, and ends when it is stopped', async () => {
    const told: string[] = [];
    const input = {
      config,
      data,
      responses,
      references: new Map<number, number>(),
      marks: [],
      policy,
      model,
      embedder: async () => embedder,
      signal,
      onProgress: (done: number, total: number, what: string) => {
        told.push(`${what} ${done}/${total}`);
      },
    };
    const found = await diagnose(input);
    expect(found.falseNegatives?.judge).toBe('grader');
    expect(found.diversity?.rows.length).toBeGreaterThan(0);
    expect(told.at(-1)).toMatch(/^gradients (\d+)\/\1$/);
    const { points = [], slope, fromPrompts } = found.gradient ?? {};
    expect(points.map(({ negatives }) => negatives)).toEqual([1, 2, 4]);
    const [one, two] = points;
    expect((one?.draw?.value ?? 0) / (two?.draw?.value ?? 0)).toBeCloseTo(2, 9);
    expect(one?.noise.value).toBeCloseTo((one?.draw?.value ?? 0) + (fromPrompts?.value ?? 0), 9);
    expect(slope?.value).toBeGreaterThan(-1);
    expect(slope?.value).toBeLessThan(0);
    expect(await gradientStudy(input)).toEqual(found.gradient);

    const stop = new AbortController();
    const stopped = diagnose({
      ...input,
      signal: stop.signal,
      onProgress: (done) => {
        if (done === 1) stop.abort(new Error('enough'));
      },
    });
    await expect(stopped).rejects.toThrow('enough');
  }, 240_000);
});
