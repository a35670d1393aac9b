import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gguf } from '@huggingface/gguf';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type LoraModule, loraModules } from '../../src/model/adapter.ts';
import { parseModelConfig } from '../../src/model/config.ts';
import { GgufError, readGguf } from '../../src/model/gguf.ts';
import { readGgufLora, writeGgufLora } from '../../src/model/gguf-lora.ts';
import { initialAdapter, mergeLora, TARGETS } from '../../src/model/parameters.ts';
import { stream } from '../../src/model/random.ts';

const model = parseModelConfig({
  architectures: ['LlamaForCausalLM'],
  vocab_size: 11,
  hidden_size: 16,
  intermediate_size: 20,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 8,
  max_position_embeddings: 16,
  rms_norm_eps: 1e-5,
  tie_word_embeddings: true,
});
const lora = { rank: 3, alpha: 12, targets: [...TARGETS] };
const random = stream(3, 'gguf');
const modules = loraModules(
  model,
  lora,
  initialAdapter(model, lora, random).map((flat) => flat.map((x) => x + random() - 0.5)),
);
const file = writeGgufLora(model, 'a run', modules);

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'self-contrast-gguf-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const delta = (m: LoraModule) => mergeLora(new Float32Array(m.out * m.in), m.a, m.b, m);

test('an independent reader finds what llama.cpp asks for', async () => {
  const path = join(folder, 'adapter.gguf');
  await writeFile(path, file);
  const { metadata, tensorInfos, tensorDataOffset, littleEndian } = await gguf(path, {
    allowLocalFile: true,
  });
  expect(metadata).toMatchObject({
    version: 3,
    'general.type': 'adapter',
    'general.architecture': 'llama',
    'general.name': 'a run',
    'adapter.type': 'lora',
    'adapter.lora.alpha': 12,
  });
  expect(littleEndian).toBe(true);
  expect(Number(tensorDataOffset) % 32).toBe(0);
  const infos = new Map(tensorInfos.map((t) => [t.name, t]));
  // Two tensors for each of seven projections in two layers; sizes in GGML's order, the fastest first.
  expect(infos.size).toBe(2 * 7 * 2);
  const sizes = (name: string) => infos.get(name)?.shape.map(Number);
  expect(sizes('blk.0.attn_q.weight.lora_a')).toEqual([16, 3]);
  expect(sizes('blk.0.attn_q.weight.lora_b')).toEqual([3, 32]);
  expect(sizes('blk.1.attn_k.weight.lora_b')).toEqual([3, 16]);
  expect(sizes('blk.1.attn_output.weight.lora_a')).toEqual([32, 3]);
  expect(sizes('blk.0.ffn_down.weight.lora_a')).toEqual([20, 3]);
  for (const kind of ['attn_q', 'attn_k', 'attn_v', 'attn_output', 'ffn_gate', 'ffn_up', 'ffn_down']) {
    for (const side of ['a', 'b']) expect(infos.has(`blk.1.${kind}.weight.lora_${side}`), kind).toBe(true);
  }
  for (const { dtype, offset } of tensorInfos) expect([dtype, Number(offset) % 32]).toEqual([0, 0]);
});

test('read back, the modules add the same to every weight', () => {
  const read = readGgufLora(model, file);
  expect(read.map((m) => `${m.layer} ${m.target}`)).toEqual(modules.map((m) => `${m.layer} ${m.target}`));
  read.forEach((m, i) => {
    const module = modules[i];
    expect(module && delta(m)).toEqual(module && delta(module));
  });
});

test('attention is the same under the rotation of neighbours that llama.cpp uses', () => {
  const tensors = new Map(readGguf(file).tensors.map((t) => [t.name, t.data]));
  const input = Float32Array.from({ length: model.hiddenSize }, (_, i) => Math.sin(i + 1));
  /** One head of a projection of the input, by the adapter alone. */
  const head = (weight: Float32Array, h: number) =>
    Array.from({ length: model.headDim }, (_, row) =>
      input.reduce(
        (sum, x, i) => sum + x * (weight[(h * model.headDim + row) * model.hiddenSize + i] ?? 0),
        0,
      ),
    );
  const angle = (j: number, position: number) => position * 10_000 ** ((-2 * j) / model.headDim);
  /** Pairs (a, b) of a vector rotated, where the places of pair j are given. */
  const rotate = (v: number[], position: number, places: (j: number) => [number, number]) => {
    const out = [...v];
    for (let j = 0; j < v.length / 2; j++) {
      const [p, q] = places(j);
      const [cos, sin] = [Math.cos(angle(j, position)), Math.sin(angle(j, position))];
      out[p] = (v[p] ?? 0) * cos - (v[q] ?? 0) * sin;
      out[q] = (v[q] ?? 0) * cos + (v[p] ?? 0) * sin;
    }
    return out;
  };
  const dot = (a: number[], b: number[]) => a.reduce((sum, x, i) => sum + x * (b[i] ?? 0), 0);
  const ours = (target: string) => {
    const module = modules.find((m) => m.layer === 1 && m.target === target);
    return module ? delta(module) : new Float32Array();
  };
  const theirs = (kind: string, out: number) => {
    const side = (s: string) => tensors.get(`blk.1.${kind}.weight.lora_${s}`) ?? new Float32Array();
    const sizes = { out, in: model.hiddenSize, rank: 3, scale: 12 / 3 };
    return mergeLora(new Float32Array(out * model.hiddenSize), side('a'), side('b'), sizes);
  };
  const half = model.headDim / 2;
  for (const [h, kv] of [
    [0, 0],
    [1, 0],
    [3, 1],
  ] as const) {
    const split = (v: number[], position: number) => rotate(v, position, (j) => [j, j + half]);
    const neighbours = (v: number[], position: number) => rotate(v, position, (j) => [2 * j, 2 * j + 1]);
    const expected = dot(split(head(ours('q_proj'), h), 5), split(head(ours('k_proj'), kv), 2));
    const got = dot(
      neighbours(head(theirs('attn_q', 32), h), 5),
      neighbours(head(theirs('attn_k', 16), kv), 2),
    );
    expect(got).toBeCloseTo(expected, 4);
    expect(Math.abs(expected)).toBeGreaterThan(1e-3);
  }
});

test('modules of other scales are multiplied into B', () => {
  const mixed = modules.slice(0, 3).map((m, i) => ({ ...m, scale: m.scale * 2 ** i }));
  const read = readGgufLora(model, writeGgufLora(model, 'mixed', mixed));
  read.forEach((m, i) => {
    const module = mixed[i];
    expect(module && delta(m)).toEqual(module && delta(module));
  });
});

describe('broken files', () => {
  test.each<[string, Uint8Array, string]>([
    ['something else', new TextEncoder().encode('PK not a gguf file'), 'not a GGUF file'],
    ['nothing', new Uint8Array(0), 'the file ends at byte 0'],
    ['a cut header', file.subarray(0, 100), 'the number of tensors is 28, but the file has room for'],
    ['cut data', file.subarray(0, file.length - 64), 'ends outside the file'],
  ])('%s', (_, bytes, message) => {
    expect(() => readGgufLora(model, bytes)).toThrow(GgufError);
    expect(() => readGgufLora(model, bytes)).toThrow(message);
  });

  test('any damage ends in an error that says so, or in modules', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat({ max: 2500 }), fc.integer({ min: 0, max: 255 })), {
          minLength: 1,
          maxLength: 8,
        }),
        fc.nat({ max: file.length }),
        (changes, length) => {
          const damaged = file.slice(0, length);
          for (const [at, byte] of changes) if (at < damaged.length) damaged[at] = byte;
          try {
            expect(readGgufLora(model, damaged).length).toBeGreaterThan(0);
          } catch (error) {
            expect(error).toBeInstanceOf(GgufError);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});
