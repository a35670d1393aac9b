/**
 * The page behind `npm run bench -- --only generate`: our sampler on WASM, and transformers.js beside it with the ONNX
 * export of the same weights. Both compute in this page, with the same threads.
 */
import { AutoModelForCausalLM, env, type PreTrainedModel, Tensor } from '@huggingface/transformers';
import { openDevice } from '../../../src/engine/backend.ts';
import { loadLanguageModel } from '../../../src/engine/language-model.ts';
import type { DeviceSampler } from '../../../src/engine/sampler.ts';
import type { FileSource, LanguageModel, SampleRequest, SampleSettings } from '../../../src/engine/types.ts';
import { encodeModel } from '../../../src/graph/index.ts';
import { decoderGraph } from '../../../src/model/decoder-graph.ts';
import { elements, modelWeights, TARGETS } from '../../../src/model/parameters.ts';
import { openWeights } from '../../../src/model/weights.ts';
import { urlFolder } from '../../../src/service/url-folder.ts';
import { shapedModel } from '../../lib/shaped-model.ts';

/** Rows of one prompt. */
export interface Job {
  /** Decoded together. */
  readonly rows: number;
  readonly promptTokens: number;
  /** Tokens of each answer. */
  readonly lengths: readonly number[];
}

export interface SamplingBench {
  /** Loads one model into both; the threads they compute with. */
  load(model: 'stories260k' | 'stories15M' | 'embedded', peer: boolean): Promise<number>;
  /** One prompt, a row a length: all lengths are the same. The tokens drawn. */
  ours(job: Job): Promise<number>;
  theirs(job: Job): Promise<number>;
  /** Rows that end after these lengths: with places taken as they become free, or by batches that wait for their longest. */
  continuous(job: Job): Promise<number>;
  waiting(job: Job): Promise<number>;
  /** Reads one prompt for so many answers of one token, or as many prompts; the prompt tokens read. */
  answers(count: number, promptTokens: number): Promise<number>;
  prompts(count: number, promptTokens: number): Promise<number>;
}

declare global {
  interface Window {
    samplingBench: SamplingBench;
  }
}

const LORA = { rank: 8, alpha: 16, targets: TARGETS };
const at = (path: string): string => new URL(path, location.href).href;

let model: LanguageModel | undefined;
let peer: PreTrainedModel | undefined;
const samplers = new Map<number, Promise<DeviceSampler>>();

function source(name: 'stories260k' | 'stories15M' | 'embedded'): FileSource {
  const embedded = urlFolder(at('/models/default-lm/'), 'default-lm');
  if (name === 'embedded') return embedded;
  return name === 'stories15M'
    ? shapedModel('stories15M', embedded.read)
    : urlFolder(at('/realdata/stories260k-hf/'), 'stories260k-hf');
}

async function load(name: 'stories260k' | 'stories15M' | 'embedded', withPeer: boolean): Promise<number> {
  const device = await openDevice({ backend: 'wasm', wasmPath: '/ort/' });
  const files = source(name);
  model = await loadLanguageModel(device, files);
  if (withPeer) peer = await loadPeer(model, files);
  return device.info.threads;
}

/** transformers.js with our export of these weights, handed over where it looks first. */
async function loadPeer({ config }: LanguageModel, files: FileSource): Promise<PreTrainedModel> {
  const reader = await openWeights(config, files);
  const weights = new Map<string, Float32Array>();
  for (const { name, shape } of modelWeights(config)) {
    const { data } = await reader.read(name);
    if (data.length !== elements(shape)) throw new Error(`internal: size of ${name}`);
    weights.set(name, data);
  }
  const graph = decoderGraph(config, (name) => weights.get(name) ?? new Float32Array(0));
  const onnx = encodeModel(graph);
  const configBytes = (await files.read('config.json')) ?? new Uint8Array();
  const own: Record<string, Uint8Array | null> = {
    // transformers.js goes by the type, which the made-up models' files leave out.
    'config.json': new TextEncoder().encode(
      JSON.stringify({ model_type: 'llama', ...JSON.parse(new TextDecoder().decode(configBytes)) }),
    ),
    'generation_config.json': await files.read('generation_config.json'),
    'onnx/model.onnx': onnx,
  };
  env.allowRemoteModels = false;
  env.allowLocalModels = true;
  env.localModelPath = '/exported/';
  env.useBrowserCache = false;
  env.useCustomCache = true;
  env.customCache = {
    match: async (request: string) => {
      const bytes = own[request.replace(/^.*\/exported\/peer\//, '')];
      return bytes ? new Response(Uint8Array.from(bytes)) : undefined;
    },
    put: async () => {},
  };
  if (env.backends.onnx.wasm) env.backends.onnx.wasm.wasmPaths = '/ort/';
  return AutoModelForCausalLM.from_pretrained('peer', { dtype: 'fp32', device: 'wasm' });
}

function sampler(rows: number): Promise<DeviceSampler> {
  if (!model) throw new Error('internal: no model is loaded');
  const memory = { rows: 2048, segment: 1, keep: true, sampleRows: rows };
  const known = samplers.get(rows) ?? (model.createSampler(LORA, null, memory) as Promise<DeviceSampler>);
  samplers.set(rows, known);
  return known;
}

const settings = (maxTokens: number): SampleSettings => ({
  temperature: 1,
  topP: 1,
  topK: 0,
  maxTokens,
  stopIds: [],
});

const prompt = (tokens: number, first = 3): number[] => Array.from({ length: tokens }, (_, i) => first + i);

/** Tokens that a call drew, which what it returns must have. */
async function drawn(rows: number, requests: readonly SampleRequest[], maxTokens: number): Promise<number> {
  let tokens = 0;
  await (await sampler(rows)).sample(requests, settings(maxTokens), (_, samples) => {
    tokens += samples.reduce((sum, { tokenIds }) => sum + tokenIds.length, 0);
  });
  return tokens;
}

const longest = (lengths: readonly number[]): number => Math.max(...lengths);

async function theirs({ rows, promptTokens, lengths }: Job): Promise<number> {
  if (!peer) throw new Error('internal: no peer is loaded');
  const row = prompt(promptTokens);
  const ids = BigInt64Array.from(Array.from({ length: rows }, () => row).flat(), BigInt);
  const ones = new BigInt64Array(ids.length).fill(1n);
  const output = await peer.generate({
    inputs: new Tensor('int64', ids, [rows, promptTokens]),
    attention_mask: new Tensor('int64', ones, [rows, promptTokens]),
    do_sample: true,
    temperature: 1,
    top_k: 0,
    max_new_tokens: longest(lengths),
    eos_token_id: [-1],
  });
  if (!(output instanceof Tensor)) throw new Error('generate() gave no tensor');
  return output.dims.reduce((a, b) => a * b, 1) - ids.length;
}

window.samplingBench = {
  load,
  ours: ({ rows, promptTokens, lengths }) =>
    drawn(rows, [{ promptIds: prompt(promptTokens), n: lengths.length, seed: 1 }], longest(lengths)),
  theirs,
  continuous: ({ rows, promptTokens, lengths }) => {
    const requests = lengths.map((maxTokens, seed) => ({
      promptIds: prompt(promptTokens),
      n: 1,
      seed,
      maxTokens,
    }));
    return drawn(rows, requests, longest(lengths));
  },
  waiting: async ({ rows, promptTokens, lengths }) => {
    for (let i = 0; i < lengths.length; i += rows) {
      const batch = lengths.slice(i, i + rows);
      // As generate() does it: what a row draws beyond its end is thrown away.
      await drawn(rows, [{ promptIds: prompt(promptTokens), n: batch.length, seed: i }], longest(batch));
    }
    return lengths.reduce((a, b) => a + b, 0);
  },
  answers: async (count, promptTokens) => {
    const own = await sampler(count);
    const before = own.promptTokens;
    await own.sample([{ promptIds: prompt(promptTokens), n: count, seed: 1 }], settings(1), () => {});
    return own.promptTokens - before;
  },
  prompts: async (count, promptTokens) => {
    const own = await sampler(count);
    const before = own.promptTokens;
    const requests = Array.from({ length: count }, (_, seed) => ({
      promptIds: prompt(promptTokens),
      n: 1,
      seed,
    }));
    await own.sample(requests, settings(1), () => {});
    return own.promptTokens - before;
  },
};
