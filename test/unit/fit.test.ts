import { describe, expect, test } from 'vitest';
import { SHAPES } from '../../scripts/lib/shapes.ts';
import { footprint } from '../../src/graph/footprint.ts';
import { Graph } from '../../src/graph/index.ts';
import { parseModelConfig } from '../../src/model/config.ts';
import { HEAP_LIMIT, weightsBytes } from '../../src/model/fit.ts';
import { usualMemory } from '../../src/model/memory-choice.ts';
import { TARGETS } from '../../src/model/parameters.ts';
import { parseConfig, type RunConfig, setKey } from '../../src/pipeline/config.ts';
import { checkFit, type Limits, memoryOf, plan } from '../../src/pipeline/fit.ts';

const smol = parseModelConfig(SHAPES['SmolLM2-135M']);
const llama1B = parseModelConfig(SHAPES['Llama-3.2-1B']);
const WASM: Limits = {
  backend: 'wasm',
  float16: true,
  heap: HEAP_LIMIT,
  maxBuffer: null,
  storageLeft: null,
  deviceMemory: null,
};
const LENGTHS = { promptTokens: 33, targetTokens: 64 };
const small: RunConfig = parseConfig({ sample: { n: 4, maxTokens: 16 }, dpo: { negatives: 2 } });

describe('footprint of a graph', () => {
  test('results live from where they are made to their last reader', () => {
    const g = new Graph();
    const a = g.input('a', 'float32', [10, 100]);
    const b = g.input('b', 'float32', [100, 50]);
    const product = g.matmul(a, b); // 2,000 bytes
    const root = g.sqrt(product); // 2,000 more; the product goes
    const flat = g.reshape(root, [500]); // the same memory
    g.output('y', g.add(flat, 1)); // 2,000 more; the root goes
    expect(footprint(g)).toEqual({
      inputs: 24_000,
      constants: 4,
      outputs: 2000,
      working: 4000,
      largest: 20_000,
    });
  });

  test('softmax takes its input’s place, unless that is read again', () => {
    const once = new Graph();
    once.output('y', once.softmax(once.exp(once.input('x', 'float32', [100]))));
    expect(footprint(once).working).toBe(400);
    const twice = new Graph();
    const e = twice.exp(twice.input('x', 'float32', [100]));
    twice.output('y', twice.add(twice.softmax(e), e));
    expect(footprint(twice).working).toBe(1200);
  });

  test('run-time sizes are looked up, sums of them too', () => {
    const g = new Graph();
    const grown = g.concat([g.input('past', 'float32', ['t', 4]), g.input('x', 'float32', [1, 4])], 0);
    g.output('y', grown);
    expect(footprint(g, { t: 9 })).toMatchObject({ inputs: 160, outputs: 160 });
    expect(() => footprint(g)).toThrow('no size for t');
  });
});

describe('what a run needs', () => {
  test('weights by precision, counted by hand', () => {
    // SmolLM2-135M has 134,515,008 parameters, 35,136 of them in norms.
    expect(weightsBytes(smol, 'f32')).toBe(134_515_008 * 4);
    expect(weightsBytes(smol, 'f16')).toBe((134_515_008 - 35_136) * 2 + 35_136 * 4);
    expect(weightsBytes(smol, 'q8')).toBe(((134_515_008 - 35_136) * 36) / 32 + 35_136 * 4);
  });

  test('the embedded model trains and samples as it always did', () => {
    const embedded = parseModelConfig({
      architectures: ['LlamaForCausalLM'],
      vocab_size: 1792,
      hidden_size: 128,
      intermediate_size: 352,
      num_hidden_layers: 4,
      num_attention_heads: 4,
      num_key_value_heads: 2,
      max_position_embeddings: 128,
      tie_word_embeddings: true,
    });
    const expected = { rows: 2048, segment: 4, keep: true, sampleRows: 128 };
    const lora = { rank: 8, alpha: 16, targets: TARGETS };
    expect(usualMemory(embedded, lora, 'f32', 'wasm')).toEqual(expected);
    const config = parseConfig({});
    expect(memoryOf(embedded, config, { promptTokens: 60, targetTokens: 20 }, 'f32', 'wasm')).toEqual(
      expected,
    );
  });

  test('a group of 1 + 16 answers of 256 tokens on a 135M model fits 3 GB of heap by computing again, and says so', () => {
    const config = parseConfig({ sample: { n: 16, maxTokens: 256 }, dpo: { negatives: 16 } });
    const fit = plan(smol, config, { promptTokens: 33, targetTokens: 256 }, WASM);
    expect(fit.fits).toBe(true);
    expect(fit.need.heap).toBeLessThan(3e9);
    expect(fit.memory).toMatchObject({ keep: false, segment: 1 });
    expect(fit.trades.join(' ')).toContain('computed again in the backward pass');
  });

  test('what the settings fix is taken as it is', () => {
    const config = setKey(setKey(small, 'memory.rows=300'), 'memory.sampleRows=3');
    const memory = memoryOf(smol, setKey(config, 'memory.activations=again'), LENGTHS, 'f32', 'wasm');
    expect(memory).toEqual({ rows: 300, segment: 1, keep: false, sampleRows: 3 });
  });

  test('longer answers need more', () => {
    const need = (config: RunConfig) => plan(smol, setKey(config, 'memory.sampleRows=4'), LENGTHS, WASM).need;
    expect(need(setKey(small, 'sample.maxTokens=64')).peak).toBeGreaterThan(need(small).peak);
  });
});

describe('settings that fit', () => {
  test('a model that does not fit says how much is missing, and what it proposes does fit', () => {
    const fit = plan(llama1B, small, LENGTHS, WASM);
    expect(fit.fits).toBe(false);
    expect(fit.problems[0]).toMatch(/^WebAssembly's memory ends at 4\.3 GB, .* the run needs \d+\.\d GB/);
    expect(fit.suggestions.length).toBeGreaterThan(0);
    for (const { changes, words } of fit.suggestions) {
      const changed = changes.reduce((c, { key, value }) => setKey(c, key, String(value)), small);
      expect(plan(llama1B, changed, LENGTHS, WASM).problems, words).toEqual([]);
    }
    expect(() => checkFit(fit)).toThrow(/does not fit this device.*What would fit:.*precision=/);
  });

  test('a tensor larger than a buffer of the graphics device stands in the way', () => {
    const fit = plan(smol, small, LENGTHS, { ...WASM, backend: 'webgpu', maxBuffer: 100e6 });
    expect(fit.problems).toEqual([
      'The largest tensor takes 113 MB; a buffer of this graphics device takes 100 MB.',
    ]);
  });

  test('storage and the machine’s memory are looked at where they are known', () => {
    const tight = { ...WASM, storageLeft: 100e6, deviceMemory: 2 ** 29 };
    const { problems } = plan(smol, small, LENGTHS, tight, 270e6);
    expect(problems.join('\n')).toContain(
      'The model takes 270 MB of storage; this browser leaves the page 100 MB.',
    );
    expect(problems.join('\n')).toContain('This machine has 537 MB of memory');
  });

  test('what reaches a cap of the browser may be more, and graphics memory is not the machine’s', () => {
    const capped = { ...WASM, heap: 64 * 2 ** 30, deviceMemory: 8 * 2 ** 30 };
    const longest = setKey(small, 'memory.sampleRows=4096');
    const large = plan(llama1B, longest, LENGTHS, capped);
    expect(large.need.machine).toBeGreaterThan(8 * 2 ** 30);
    expect(large.problems).toEqual([]);
    expect(large.notes.join(' ')).toMatch(/needs [\d.]+ GB of this machine's memory, .* 8\.6 GB or more/);
    const gpu = plan(llama1B, small, LENGTHS, { ...WASM, backend: 'webgpu', deviceMemory: 2 ** 30 });
    expect(gpu.need.peak).toBeGreaterThan(2 ** 30);
    expect(gpu.problems).toEqual([]);
  });

  test('where a GPU keeps f16 as f32, it is counted so and not proposed', () => {
    const none: Limits = { ...WASM, backend: 'webgpu', float16: false, maxBuffer: 2 ** 31 };
    const half = plan(smol, setKey(small, 'precision=f16'), LENGTHS, none);
    expect(half.need).toEqual(plan(smol, small, LENGTHS, none).need);
    expect(half.notes.join(' ')).toContain('weights of f16 are kept as f32');
    const tight = { ...none, maxBuffer: 600e6 };
    const proposed = (limits: Limits) =>
      plan(llama1B, small, LENGTHS, limits)
        .suggestions.flatMap(({ changes }) => changes)
        .filter(({ key }) => key === 'precision')
        .map(({ value }) => value);
    expect(proposed({ ...tight, float16: true })).toEqual(['f16']);
    expect(proposed(tight)).toEqual(['q8']);
  });

  test('settings that were fixed too high are proposed to be left open, before anything that costs exactness', () => {
    const fixed = setKey(setKey(small, 'memory.sampleRows=1024'), 'sample.maxTokens=128');
    const { fits, suggestions } = plan(smol, fixed, LENGTHS, WASM);
    expect(fits).toBe(false);
    expect(suggestions[0]?.changes).toEqual([{ key: 'memory.sampleRows', value: 0 }]);
    expect(suggestions[0]?.words).toContain('the same result');
  });
});
