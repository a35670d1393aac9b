/**
 * What decoding and training ask of the GPU, counted at WebGPU's own calls: the counts are the same on an adapter that
 * computes in software, and those who have none can see here what a GPU would be asked for.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { counted, type GpuCounts, gpuCounts, since } from '../../scripts/bench/gpu/counter.ts';
import { openDevice } from '../../src/engine/backend.ts';
import { DecoderWeights } from '../../src/engine/decoder-weights.ts';
import type { Device } from '../../src/engine/device.ts';
import { Prefill } from '../../src/engine/prefill.ts';
import { StepDecoder } from '../../src/engine/step-decoder.ts';
import { Graph } from '../../src/graph/index.ts';
import { parseModelConfig } from '../../src/model/config.ts';
import {
  dpoLoss,
  formulaTrainer,
  formulaUnits,
  formulaWeights,
  LORA,
  reference,
} from '../fixtures/reference.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice({ backend: 'webgpu', wasmPath: '/ort/' });
}, 60_000);
afterAll(() => device.dispose());

/** A layer each adds the same: one layer leaves time for many steps. */
const config = (layers: number) =>
  parseModelConfig({
    architectures: ['LlamaForCausalLM'],
    vocab_size: 23,
    hidden_size: 16,
    intermediate_size: 20,
    num_hidden_layers: layers,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    head_dim: 8,
    max_position_embeddings: 1024,
    rope_theta: 500,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: true,
  });

const [ROWS, SLICE, ROOM] = [2, 16, 64];
const U = new Float32Array(SLICE * ROWS).fill(0.5);

function decoder(layers: number): StepDecoder {
  const c = config(layers);
  const adapter = formulaUnits(c, { kind: 'lora', lora: LORA });
  const options = { config: c, lora: LORA, adapter, weights: formulaWeights(device, c) };
  const weights = new DecoderWeights(device, options);
  return new StepDecoder(device, weights, new Prefill(device, weights), {
    rows: ROWS,
    room: ROOM,
    slice: SLICE,
    rule: { temperature: 1, topP: 1, topK: 0 },
  });
}

/** A slice of rounds; all rows begin anew before it where `begin` is given. */
async function slice(subject: StepDecoder, begin: readonly (readonly number[])[] = []): Promise<void> {
  const prompts = await subject.prefill(begin);
  await subject.decode(new Map(prompts.entries()), [true, true], U);
  for (const prompt of prompts) prompt.dispose();
}

const PROMPTS = [[3, 4, 5], [7]];

function show(what: string, counts: GpuCounts, steps: number): void {
  const each = Object.entries(counts).map(([name, n]) => `${name} ${(n / steps).toFixed(1)}`);
  console.log(`${what}: ${each.join(', ')}`);
}

/** Does something 1,000 times, or as often as `seconds` allow where VITE_LONG is not set, and says how often. */
async function often(seconds: number, work: (i: number) => Promise<void>, each = 1): Promise<number> {
  const end = import.meta.env.VITE_LONG ? Number.POSITIVE_INFINITY : performance.now() + 1000 * seconds;
  let done = 0;
  while (done < 1000 && performance.now() < end) {
    await work(done / each);
    done += each;
  }
  return done;
}

test('a round of decoding makes no buffer, compiles nothing and reads nothing back; only a slice is read', async () => {
  const [one, two] = [decoder(1), decoder(2)];
  for (const subject of [one, two]) {
    await slice(subject, PROMPTS);
    await slice(subject);
  }
  const ofOne = await counted(() => slice(one));
  const ofTwo = await counted(() => slice(two));
  show('a round of decoding, 1 layer', ofOne, SLICE);
  show('a round of decoding, 2 layers', ofTwo, SLICE);
  for (const counts of [ofOne, ofTwo])
    expect(counts).toMatchObject({ readBacks: 1, buffers: 0, pipelines: 0 });
  const layer = (ofTwo.dispatches - ofOne.dispatches) / SLICE;
  // 16 of the layer, 11 of its adapter.
  expect(layer).toBeLessThanOrEqual(27);
  // The embedding, the last norm, the head, and the drawing of a token.
  expect(ofOne.dispatches / SLICE - layer).toBeLessThanOrEqual(34);
  await two.dispose();
  await one.dispose();
}, 120_000);

test('rows that end and begin anew leave nothing behind', async () => {
  const subject = decoder(1);
  const work = (i: number) => slice(subject, i % 3 === 0 ? PROMPTS : []);
  for (let i = 0; i < 6; i++) await work(i);
  const before = gpuCounts();
  const rounds = await often(8, work, SLICE);
  show(`a round of decoding, of ${rounds}`, since(before), rounds);
  expect(since(before)).toMatchObject({ kept: 0, bytesKept: 0, pipelines: 0 });
  await subject.dispose();
}, 1_200_000);

test('a training step reads its log-probabilities and its norm, and steady steps make nothing that stays', async () => {
  const trainer = formulaTrainer(device, config(2), { kind: 'lora', lora: LORA });
  const groups = [
    {
      promptIds: [3, 4, 5],
      responseIds: [
        [6, 7, 2],
        [9, 2],
      ],
    },
  ];
  const step = async () => {
    await trainer.step(groups, dpoLoss(reference.references, 1), 1e-4);
  };
  for (let i = 0; i < 4; i++) await step();
  const counts = await counted(step);
  show('a DPO step, 2 layers', counts, 1);
  expect(counts).toMatchObject({ readBacks: 2, pipelines: 0 });
  expect(counts.dispatches).toBeLessThanOrEqual(640);
  // Those that are mapped for the two.
  expect(counts.buffers).toBeLessThanOrEqual(2);
  expect(counts.bytesUploaded).toBeLessThanOrEqual(50_000);
  const before = gpuCounts();
  const steps = await often(5, step);
  show(`a DPO step, of ${steps}`, since(before), steps);
  expect(since(before)).toMatchObject({ kept: 0, bytesKept: 0, pipelines: 0 });
  await trainer.dispose();
}, 1_200_000);

test('a graph of which a part would run on the processor is refused', async () => {
  const g = new Graph();
  const x = g.input('x', 'int64', [4]);
  g.output('y', g.add(x, x));
  await expect(device.compile(g)).rejects.toThrow(/CPU/i);
});
