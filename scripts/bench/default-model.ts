/** The embedded model's speed: sampling and training, each beside its peer. */
import { fileURLToPath } from 'node:url';
import { openDevice } from '../../src/engine/backend.ts';
import type { Device, Tensors } from '../../src/engine/device.ts';
import { loadLanguageModel } from '../../src/engine/language-model.ts';
import type { Group } from '../../src/engine/types.ts';
import { Graph } from '../../src/graph/index.ts';
import { planMicroBatches } from '../../src/model/batch.ts';
import { responseTotal, rowTotal } from '../../src/model/block.ts';
import { type ModelConfig, parseModelConfig } from '../../src/model/config.ts';
import { TARGETS } from '../../src/model/parameters.ts';
import { stream } from '../../src/model/random.ts';
import { folder } from '../lib/native.ts';
import { seconds } from './measure.ts';
import { operations, products } from './products.ts';
import type { Row } from './row.ts';

const MODEL = fileURLToPath(new URL('../../public/models/default-lm', import.meta.url));
const LORA = { rank: 8, alpha: 16, targets: TARGETS };
const OPTIMISER = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, maxGradNorm: 1 };

/** 32 rows of 24 prompt tokens, 32 tokens each, no row ending early. */
export async function samplingRow(): Promise<Row> {
  const model = await loadLanguageModel(await openDevice({ backend: 'wasm' }), folder(MODEL));
  const sampler = await model.createSampler(LORA, null);
  const promptIds = Array.from({ length: 24 }, (_, i) => 10 + i);
  const settings = { temperature: 1, topP: 1, topK: 0, maxTokens: 32, stopIds: [] };
  const run = (rows: number) => async () => {
    const requests = Array.from({ length: rows / 16 }, (_, seed) => ({ promptIds, n: 16, seed }));
    await sampler.sample(requests, settings, () => {});
  };
  const rate = (32 * 32) / (await seconds(run(32)));
  const wide = (128 * 32) / (await seconds(run(128)));
  await sampler.dispose();
  await model.dispose();
  return {
    name: 'sampling, tokens/s at 32 rows',
    value: rate.toFixed(0),
    peer: `${wide.toFixed(0)} at 128 rows`,
  };
}

/** A DPO-shaped step: 16 prompts with a target and 8 negatives. */
function stepGroups(c: ModelConfig): Group[] {
  const random = stream(1, 'bench');
  const ids = (n: number) => Array.from({ length: n }, () => Math.floor(random() * c.vocabSize));
  return Array.from({ length: 16 }, () => ({
    promptIds: ids(25),
    responseIds: Array.from({ length: 9 }, () => ids(16)),
  }));
}

/** The same products and nothing else, in one graph. */
async function bareProducts(device: Device, list: ReturnType<typeof products>): Promise<number> {
  const g = new Graph();
  const inputs: Tensors = {};
  let total = g.scalar(0);
  list.forEach(({ m, k, n, count }, i) => {
    const a = g.input(`a${i}`, 'float32', [m, k]);
    const b = g.input(`b${i}`, 'float32', [k, n]);
    inputs[`a${i}`] = device.host(new Float32Array(m * k).fill(0.5), [m, k]);
    inputs[`b${i}`] = device.host(new Float32Array(k * n).fill(0.5), [k, n]);
    for (let j = 0; j < count; j++) {
      // A different left side each time, or the optimiser would compute one product for all.
      const y = g.gemm(j === 0 ? a : g.mul(a, j), b);
      total = g.add(total, g.reduceMax(y, [0, 1], false));
    }
  });
  g.output('y', total);
  const program = await device.compile(g);
  const time = await seconds(() => program.run(inputs));
  await program.release();
  return time;
}

export async function trainingRow(): Promise<Row> {
  const source = folder(MODEL);
  const config = parseModelConfig(
    JSON.parse(new TextDecoder().decode((await source.read('config.json')) ?? new Uint8Array())),
  );
  const device = await openDevice({ backend: 'wasm' });
  const model = await loadLanguageModel(device, source);
  const trainer = await model.createTrainer(LORA, OPTIMISER, 1);
  const groups = stepGroups(config);
  const time = await seconds(() =>
    trainer.step(
      groups,
      (_, logps) => ({ loss: 0, coefficients: logps.map((_x, i) => (i === 0 ? -1e-3 : 1e-4)), metrics: {} }),
      1e-5,
    ),
  );
  const plan = planMicroBatches(groups, 2048);
  let flops = 0;
  let bare = 0;
  for (const batch of plan) {
    const list = products(config, rowTotal(batch.geometry), responseTotal(batch.geometry));
    flops += operations(list);
    bare += await bareProducts(device, list);
  }
  const rate = (t: number) => `${(flops / t / 1e9).toFixed(1)} GFLOP/s`;
  await trainer.dispose();
  await model.dispose();
  return {
    name: 'training step (16 prompts x 9 answers)',
    value: `${(time * 1000).toFixed(0)} ms, ${rate(time)}`,
    peer: `bare products ${(bare * 1000).toFixed(0)} ms, ${rate(bare)}: ${((100 * bare) / time).toFixed(0)} %`,
  };
}
