/** A Hugging Face folder, loaded onto a device: weights, tokenizer, trainers and samplers. */
import type { Tensor } from 'onnxruntime-web';
import { type ModelConfig, parseModelConfig } from '../model/config.ts';
import { SLICE } from '../model/decode-round.ts';
import { weightParts } from '../model/matrix.ts';
import { usualMemory } from '../model/memory-choice.ts';
import { elements, initialAdapter, modelWeights } from '../model/parameters.ts';
import type { Precision } from '../model/precision.ts';
import { stream } from '../model/random.ts';
import { storeRows } from '../model/stored-weight.ts';
import { openWeights, type PiecesOptions, type WeightPiece, type WeightsReader } from '../model/weights.ts';
import type { Device } from './device.ts';
import { DeviceSampler } from './sampler.ts';
import { type CheckSubject, checkKey, selfCheck } from './self-check.ts';
import { fingerprint, newHash, sha256 } from './sha256.ts';
import { loadTokenizer, readJson, textFingerprint } from './tokenizer.ts';
import { DeviceTrainer } from './trainer.ts';
import type { DeviceInfo, FileSource, LanguageModel, LoraConfig, ModelInfo, Tokenizer } from './types.ts';

export interface LoadOptions {
  /** How the frozen weights are kept; float32 where it is not given. */
  readonly precision?: Precision;
  /** Told the bytes of weights read so far and of all of them. */
  readonly onProgress?: (bytes: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/**
 * @throws ModelError naming the file and field; SafetensorsError for a damaged weights file
 */
export async function loadLanguageModel(
  device: Device,
  source: FileSource,
  { precision = 'f32', onProgress, signal }: LoadOptions = {},
): Promise<LanguageModel> {
  const config = parseModelConfig(await readJson(source, 'config.json'));
  const tokenizer = await loadTokenizer(source, config.vocabSize);
  signal?.throwIfAborted();
  const kept = device.keeps(precision);
  const reader = await openWeights(config, source);
  const total = await reader.size(signal);
  const hashers = new Map(reader.files.map(({ path }) => [path, newHash()] as const));
  let read = 0;
  const seen = (path: string, bytes: Uint8Array) => {
    hashers.get(path)?.update(bytes);
    read += bytes.length;
    onProgress?.(read, total);
  };
  const weights = await storeWeights(device, config, reader, kept.precision, { signal, seen });
  const hashes = [...hashers.values()].map((hash) => hash.digest());
  const configBytes = (await source.read('config.json')) ?? new Uint8Array();
  const info: ModelInfo = {
    name: source.name,
    architecture: config.architecture,
    parameterCount: modelWeights(config).reduce((sum, { shape }) => sum + elements(shape), 0),
    layers: config.layers,
    hiddenSize: config.hiddenSize,
    vocabSize: config.vocabSize,
    contextLength: config.contextLength,
    fingerprint: fingerprint([sha256(configBytes), ...hashes]),
    textFingerprint: await textFingerprint(source),
    precision: kept.precision,
  };
  const deviceInfo = { ...device.info, note: [device.info.note, kept.note].filter(Boolean).join('; ') };
  return loaded(device, source, config, info, deviceInfo, tokenizer, weights);
}

/**
 * Reads the weights piece by piece into the form in which they stay on the device, so that at no time more than a
 * piece exists beside it.
 */
async function storeWeights(
  device: Device,
  config: ModelConfig,
  reader: WeightsReader,
  precision: Precision,
  options: PiecesOptions,
): Promise<Map<string, Tensor>> {
  const weights = new Map<string, Tensor>();
  const stores = new Map<string, (piece: WeightPiece) => Promise<void>>();
  try {
    for (const weight of modelWeights(config)) {
      const fillings = weightParts(precision, weight).map(({ name, dtype, shape }) => {
        const filling = device.create(dtype, shape);
        weights.set(name, filling.tensor);
        return { ...filling, share: elements(shape) / elements(weight.shape) };
      });
      stores.set(weight.name, async ({ at, values }) => {
        for (const [i, part] of storeRows(precision, weight, values).entries()) {
          const filling = fillings[i];
          if (filling) await filling.write(at * filling.share, part);
        }
      });
    }
    for await (const piece of reader.pieces(options)) await stores.get(piece.name)?.(piece);
    return weights;
  } catch (error) {
    release(weights);
    throw error;
  }
}

function release(weights: ReadonlyMap<string, Tensor>): void {
  for (const tensor of weights.values()) if (tensor.location === 'gpu-buffer') tensor.dispose();
}

function loaded(
  device: Device,
  files: FileSource,
  config: ModelConfig,
  info: ModelInfo,
  deviceInfo: DeviceInfo,
  tokenizer: Tokenizer,
  weights: ReadonlyMap<string, Tensor>,
): LanguageModel {
  const precision = info.precision ?? 'f32';
  const numbers = device.numbers(precision);
  const usual = (lora: LoraConfig) => usualMemory(config, lora, precision, numbers.gpu ? 'webgpu' : 'wasm');
  const subject: CheckSubject = {
    device,
    config,
    info,
    precision,
    weights,
    load: async (other, part, signal) =>
      storeWeights(other, part, await openWeights(part, files), precision, { signal }),
  };
  return {
    info,
    config,
    files,
    device: deviceInfo,
    tokenizer,
    createTrainer: async (lora, optimiser, seed, memory = usual(lora)) =>
      new DeviceTrainer(device, {
        config,
        mode: { kind: 'lora', lora, numbers },
        optimiser,
        weights,
        parameters: initialAdapter(config, lora, stream(seed, 'adapter')),
        maxRows: memory.rows,
        segment: memory.segment,
        keep: memory.keep,
      }),
    createSampler: async (lora, adapter, memory = usual(lora)) =>
      new DeviceSampler(device, {
        config,
        lora,
        adapter,
        weights,
        numbers,
        rows: memory.sampleRows,
        slice: SLICE,
      }),
    checkKey: checkKey(subject),
    selfCheck: (lora, options) => selfCheck(subject, lora, options),
    dispose: async () => {
      release(weights);
      await device.dispose();
    },
  };
}
