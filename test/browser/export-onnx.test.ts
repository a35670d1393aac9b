/** The ONNX export in transformers.js where it is meant for: in a browser, on WASM and on WebGPU. */
import { AutoModelForCausalLM, env, Tensor } from '@huggingface/transformers';
import { beforeAll, expect, test } from 'vitest';
import { openDevice } from '../../src/engine/backend.ts';
import { loadLanguageModel } from '../../src/engine/language-model.ts';
import type { AdapterWeights, LanguageModel } from '../../src/engine/types.ts';
import { loraModules } from '../../src/model/adapter.ts';
import { initialAdapter } from '../../src/model/parameters.ts';
import { stream } from '../../src/model/random.ts';
import { DEFAULT_CONFIG } from '../../src/pipeline/config.ts';
import { exportOnnx } from '../../src/pipeline/export/onnx.ts';
import { DEFAULT_OPTIONS } from '../../src/pipeline/export/types.ts';
import { urlFolder } from '../../src/service/url-folder.ts';
import { memoryStore } from '../fixtures/memory-store.ts';

const { lora } = DEFAULT_CONFIG;
let model: LanguageModel;
let adapter: AdapterWeights;
const files = new Map<string, Uint8Array>();

beforeAll(async () => {
  const device = await openDevice({ backend: 'wasm', wasmPath: '/ort/' });
  model = await loadLanguageModel(device, urlFolder('/models/default-lm/', 'default-lm'));
  const random = stream(7, 'export');
  adapter = initialAdapter(model.config, lora, random).map((flat) =>
    flat.map((x) => x + (2 * random() - 1) * 0.05),
  );
  const store = memoryStore(DEFAULT_CONFIG, { id: 'd', name: 'd', rows: [], refused: [], fingerprint: '' });
  const run = {
    store,
    model,
    config: DEFAULT_CONFIG,
    slug: 'a-run',
    modules: loraModules(model.config, lora, adapter),
    options: DEFAULT_OPTIONS,
    onProgress: () => {},
    signal: new AbortController().signal,
  };
  for await (const { path, bytes } of exportOnnx(run)) files.set(path, bytes);
  env.allowRemoteModels = false;
  env.allowLocalModels = true;
  env.localModelPath = '/exported/';
  env.useBrowserCache = false;
  env.useCustomCache = true;
  // The export is not on any server: it is handed over where transformers.js looks first.
  env.customCache = {
    match: async (request: string) => {
      const bytes = files.get(request.replace(/^.*\/exported\//, ''));
      return bytes && new Response(Uint8Array.from(bytes));
    },
    put: async () => {},
  };
  if (env.backends.onnx.wasm) env.backends.onnx.wasm.wasmPaths = '/ort/';
}, 120_000);

test.each(['wasm', 'webgpu'] as const)(
  'on %s: greedy tokens of padded rows as our sampler draws them',
  async (device) => {
    const rows = ['What is the plural of box?', 'Spell cat.'].map(
      (content) => model.tokenizer.renderPrompt([{ role: 'user', content }]).ids,
    );
    const maxTokens = 6;
    const ours: number[][] = [];
    const sampler = await model.createSampler(lora, adapter);
    await sampler.sample(
      rows.map((promptIds) => ({ promptIds, n: 1, seed: 0 })),
      { temperature: 0, topP: 1, topK: 0, maxTokens, stopIds: [] },
      (i, [sample]) => {
        ours[i] = sample?.tokenIds ?? [];
      },
    );
    await sampler.dispose();

    const theirs = await AutoModelForCausalLM.from_pretrained('onnx', { dtype: 'fp32', device });
    const width = Math.max(...rows.map((row) => row.length));
    const padded = (value: (row: readonly number[], i: number) => number) =>
      new Tensor(
        'int64',
        BigInt64Array.from(
          rows.flatMap((row) =>
            Array.from({ length: width }, (_, i) => BigInt(value(row, i - width + row.length))),
          ),
        ),
        [rows.length, width],
      );
    const output = await theirs.generate({
      inputs: padded((row, i) => row[i] ?? 0),
      attention_mask: padded((_, i) => (i < 0 ? 0 : 1)),
      do_sample: false,
      max_new_tokens: maxTokens,
      eos_token_id: [-1],
    });
    if (!(output instanceof Tensor)) throw new Error('generate() gave no tensor');
    expect(output.tolist().map((row: bigint[]) => row.slice(width).map(Number))).toEqual(ours);
    await theirs.dispose();
  },
  240_000,
);
