/**
 * Speed of the default model on this machine, each figure beside its peer from the same run.
 *
 *   npm run bench                 all rows
 *   npm run bench -- --only NAME  sampling, training, checkpoint, import, precision, memory, fit, demo or gpu
 *   npm run bench -- --only memory [embedded|stories|smol|smol-q8|group ...]
 *   npm run bench -- --only gpu --tiny   the GPU rows on an emulated adapter, to see that they work
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openDevice } from '../src/engine/backend.ts';
import type { Device, Tensors } from '../src/engine/device.ts';
import { loadLanguageModel } from '../src/engine/language-model.ts';
import type { Group } from '../src/engine/types.ts';
import { Graph } from '../src/graph/index.ts';
import { planMicroBatches } from '../src/model/batch.ts';
import { responseTotal, rowTotal } from '../src/model/block.ts';
import { type ModelConfig, parseModelConfig } from '../src/model/config.ts';
import { TARGETS } from '../src/model/parameters.ts';
import { stream } from '../src/model/random.ts';
import { checkpointRow } from './bench/checkpoint.ts';
import { fitTable } from './bench/fit.ts';
import { gpuRows } from './bench/gpu.ts';
import { measureImport } from './bench/import.ts';
import { memoryRows } from './bench/memory.ts';
import { precisionRows } from './bench/precision.ts';
import { operations, products } from './bench/products.ts';
import { folder } from './lib/native.ts';

const { values, positionals } = parseArgs({
  options: { only: { type: 'string' }, tiny: { type: 'boolean' } },
  allowPositionals: true,
});
const wanted = (name: string) => values.only === undefined || values.only === name;
const MODEL = fileURLToPath(new URL('../public/models/default-lm', import.meta.url));
const REPEATS = 5;

interface Row {
  readonly name: string;
  readonly value: string;
  readonly peer: string;
}

const median = (list: readonly number[]): number =>
  [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? 0;

/** Median seconds of a few runs, after one to warm up. */
async function seconds(work: () => Promise<unknown>): Promise<number> {
  await work();
  const times: number[] = [];
  for (let i = 0; i < REPEATS; i++) {
    const start = performance.now();
    await work();
    times.push((performance.now() - start) / 1000);
  }
  return median(times);
}

const LORA = { rank: 8, alpha: 16, targets: TARGETS };
const OPTIMISER = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, maxGradNorm: 1 };

/** 32 rows of 24 prompt tokens, 32 tokens each, no row ending early. */
async function samplingRow(): Promise<Row> {
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

async function trainingRow(): Promise<Row> {
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

function demoRow(): Row {
  const start = performance.now();
  const { status } = spawnSync('npm', ['run', '-s', 'demo'], { stdio: 'inherit' });
  const time = (performance.now() - start) / 1000;
  return {
    name: 'npm run demo, wall time',
    value: status === 0 ? `${time.toFixed(0)} s` : `failed (${status})`,
    peer: 'at most 300 s',
  };
}

/** 100,000 rows in Alpaca's form through the page's own button. */
async function importRow(): Promise<Row> {
  const figures = await measureImport(100_000);
  const { rows, bytes, seconds: time, longestTask, peakMemory, processorSeconds } = figures;
  const memory = peakMemory === null ? '' : `, memory ${(peakMemory / bytes).toFixed(1)}x the file`;
  const processor = processorSeconds === null ? '' : ` (processor ${processorSeconds.toFixed(1)} s)`;
  return {
    name: `import of ${rows / 1000}k rows, ${(bytes / 1e6).toFixed(0)} MB JSONL`,
    value: `${time.toFixed(1)} s${processor}, ${(bytes / 1e6 / time).toFixed(0)} MB/s${memory}`,
    peer: `at most 15 s; longest task of the page ${longestTask.wall.toFixed(0)} ms (${longestTask.cpu.toFixed(0)} of its own), at most 100`,
  };
}

if (values.only === 'fit') {
  console.log(fitTable().join('\n'));
  process.exit(0);
}
const rows: Row[] = [];
if (wanted('sampling')) rows.push(await samplingRow());
if (wanted('training')) rows.push(await trainingRow());
if (wanted('checkpoint')) rows.push(await checkpointRow());
if (wanted('import')) rows.push(await importRow());
if (wanted('gpu')) rows.push(...(await gpuRows(values.tiny ?? false)));
if (wanted('precision')) rows.push(...(await precisionRows()));
if (wanted('memory')) rows.push(...(await memoryRows(positionals)));
if (wanted('demo')) rows.push(demoRow());
const machine = `${cpus()[0]?.model ?? 'unknown'}, ${availableParallelism()} threads, Node ${process.version}`;
console.log(machine);
for (const { name, value, peer } of rows) console.log(`${name.padEnd(42)} ${value.padEnd(26)} ${peer}`);
mkdirSync('out', { recursive: true });
writeFileSync('out/bench.json', `${JSON.stringify({ machine, rows }, null, 2)}\n`);
process.exit(0);
