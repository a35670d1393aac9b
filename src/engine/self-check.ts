/**
 * A few seconds of doubt before a long run: does this device compute what it should? A small batch goes through the
 * whole model (is everything a number?), its first layers and head are computed again on WebAssembly, and the
 * gradient is measured by a finite difference along it.
 */
import type { Tensor } from 'onnxruntime-web';
import { type ModelConfig, truncatedConfig } from '../model/config.ts';
import { EMBEDDING, elements, type LoraConfig, modelWeights, units } from '../model/parameters.ts';
import type { Precision } from '../model/precision.ts';
import { stream } from '../model/random.ts';
import {
  ALLOWED,
  arithmeticOf,
  type Compared,
  checkGroups,
  checkLoss,
  MOVE,
  relativeDifference,
} from '../model/self-check.ts';
import { type Device, DeviceLostError } from './device.ts';
import { DeviceTrainer } from './trainer.ts';
import type { BackendName, GroupLoss, ModelInfo, SelfCheck, SelfCheckOptions } from './types.ts';

export interface CheckSubject {
  readonly device: Device;
  readonly config: ModelConfig;
  readonly info: ModelInfo;
  readonly precision: Precision;
  /** The frozen weights on the device, by Hugging Face name. */
  readonly weights: ReadonlyMap<string, Tensor>;
  /** The same weights, read again and put on another device. */
  readonly load: (device: Device, config: ModelConfig, signal?: AbortSignal) => Promise<Map<string, Tensor>>;
}

/** Parameters up to which the whole model is computed again; of larger ones this many layers at least. */
const WHOLE = 20_000_000;
const LAYERS = 2;

/** Nothing takes that long on a sound device, whatever else the machine does. */
const PATIENCE_MS = 120_000;

/** @returns what a result holds for: the same driver comes with the same browser and adapter */
export function checkKey({
  device,
  info,
  precision,
}: Omit<CheckSubject, 'config' | 'weights' | 'load'>): string {
  const { backend, description } = device.info;
  const browser = globalThis.navigator?.userAgent ?? '';
  return JSON.stringify([backend, description, browser, info.fingerprint, precision]);
}

/** What the check found wrong. */
class Finding extends Error {}

/**
 * @throws DeviceLostError where the device goes away meanwhile
 * @throws the signal's reason
 */
export async function selfCheck(
  subject: CheckSubject,
  lora: LoraConfig,
  { signal, onProgress, patience = PATIENCE_MS }: SelfCheckOptions = {},
): Promise<SelfCheck> {
  const { device, precision } = subject;
  const { backend } = device.info;
  const started = performance.now();
  const compared: Compared[] = [];
  const remarks: string[] = [];
  const result = (failed: Partial<SelfCheck>): SelfCheck => ({
    passed: failed.problem === undefined,
    backend,
    precision,
    key: checkKey(subject),
    compared,
    seconds: (performance.now() - started) / 1000,
    remarks,
    ...failed,
  });
  const parts = [
    () => device.within(patience, () => wholeModel(subject, lora)),
    ...(backend === 'webgpu' ? [() => againstWasm(subject, lora, compared, remarks, patience, signal)] : []),
    () => device.within(patience, () => finiteDifference(subject, lora, compared)),
  ];
  try {
    for (const [done, part] of parts.entries()) {
      signal?.throwIfAborted();
      onProgress?.(done, parts.length);
      await part();
    }
    signal?.throwIfAborted();
    onProgress?.(parts.length, parts.length);
    const off = compared.find(({ difference, allowed }) => !(difference <= allowed));
    if (off)
      throw new Finding(
        `${off.what} is off by ${text(off.difference)}, where ${text(off.allowed)} is allowed`,
      );
    return result({});
  } catch (error) {
    if (signal?.aborted || error instanceof DeviceLostError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    const name =
      backend === 'webgpu' ? `the graphics device (${device.info.description})` : device.info.description;
    return result({
      problem: `${name} ${error instanceof Finding ? 'computes wrong numbers' : 'failed'}: ${why}`,
      ...wayOut(backend, precision),
    });
  }
}

/** What to do about a check that failed. */
function wayOut(backend: BackendName, precision: Precision): { advice: string; offer?: 'wasm' } {
  if (backend !== 'webgpu') {
    return {
      advice:
        'The weights of the model are most likely damaged or not what config.json says: load the model again. If that does not help, report it with the details of run.json.',
    };
  }
  const half =
    precision === 'f16'
      ? ' Or choose another precision: float16 ends at 65,504, which the values of some models pass.'
      : '';
  return {
    advice: `Use WebAssembly: it is slower, but does not depend on the graphics driver. A newer driver or browser may help, too.${half}`,
    offer: 'wasm',
  };
}

const text = (x: number): string => (Number.isFinite(x) ? x.toExponential(1) : 'infinitely much');

/** What is compared: the whole model, or of a large one the first layers, every kind among them, with the head. */
function compact(config: ModelConfig): ModelConfig {
  const size = modelWeights(config)
    .filter(({ name }) => name !== EMBEDDING)
    .reduce((sum, { shape }) => sum + elements(shape), 0);
  if (size <= WHOLE) return config;
  const kinds = new Set(config.layerKinds.map((kind) => JSON.stringify(kind)));
  const last = Math.max(
    ...[...kinds].map((kind) => config.layerKinds.findIndex((each) => JSON.stringify(each) === kind)),
  );
  return truncatedConfig(config, Math.min(config.layers, Math.max(LAYERS, last + 1)));
}

/** An adapter that does something: neither of its matrices is zero. */
function adapterOf(config: ModelConfig, lora: LoraConfig): Float32Array[] {
  const random = stream(2, 'self-check');
  const bound = 1 / Math.sqrt(config.hiddenSize);
  return units(config, { kind: 'lora', lora }).map((unit) =>
    Float32Array.from(
      { length: unit.reduce((sum, { shape }) => sum + elements(shape), 0) },
      () => (2 * random() - 1) * bound,
    ),
  );
}

function trainerOf(
  device: Device,
  config: ModelConfig,
  lora: LoraConfig,
  precision: Precision,
  weights: ReadonlyMap<string, Tensor>,
): DeviceTrainer {
  return new DeviceTrainer(device, {
    config,
    mode: { kind: 'lora', lora, numbers: device.numbers(precision) },
    optimiser: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, maxGradNorm: 0 },
    weights,
    parameters: adapterOf(config, lora),
    maxRows: 256,
    segment: 1,
    keep: true,
  });
}

/** Every activation, log-probability and gradient of the whole model is a number, or the first that is not is named. */
async function wholeModel(
  { device, config, weights, precision }: CheckSubject,
  lora: LoraConfig,
): Promise<void> {
  const trainer = trainerOf(device, config, lora, precision, weights);
  try {
    const groups = checkGroups(config);
    const place = await trainer.brokenAt(groups);
    if (place !== null) throw new Finding(`${place} gives numbers that are not finite`);
    const { gradients } = await trainer.gradients(groups, checkLoss(groups));
    const layer = gradients.findIndex((vector) => !vector.every(Number.isFinite));
    if (layer >= 0) throw new Finding(`the gradient of layer ${layer} is not finite`);
  } finally {
    await trainer.dispose();
  }
}

/** Log-probabilities and gradients of the same layers on this device and on WebAssembly. */
async function againstWasm(
  subject: CheckSubject,
  lora: LoraConfig,
  compared: Compared[],
  remarks: string[],
  patience: number,
  signal?: AbortSignal,
): Promise<void> {
  const { device, weights, precision } = subject;
  const config = compact(subject.config);
  const groups = checkGroups(config);
  const loss = checkLoss(groups);
  const here = await device.within(patience, () =>
    computed(trainerOf(device, config, lora, precision, weights), groups, loss),
  );
  // WebAssembly has the time that it needs: its weights are read again, perhaps over a slow line.
  const expected = await onWasm(subject, config, lora, groups, loss, signal).catch((error: unknown) => {
    signal?.throwIfAborted();
    const why = error instanceof Error ? error.message : String(error);
    remarks.push(`The comparison with WebAssembly could not be made: ${why}`);
  });
  if (!expected) return;
  const allowed = ALLOWED[arithmeticOf(device.info.backend, precision)];
  compared.push(
    {
      what: 'log-probabilities against WebAssembly',
      difference: relativeDifference(here.logps, expected.logps),
      allowed: allowed.logps,
    },
    {
      what: 'gradients against WebAssembly',
      difference: Math.max(
        ...here.gradients.map((g, i) => relativeDifference(g, expected.gradients[i] ?? [])),
      ),
      allowed: allowed.gradients,
    },
  );
}

async function onWasm(
  { device, load, precision }: CheckSubject,
  config: ModelConfig,
  lora: LoraConfig,
  groups: ReturnType<typeof checkGroups>,
  loss: GroupLoss,
  signal?: AbortSignal,
) {
  const reference = await device.onWasm();
  try {
    const weights = await load(reference, config, signal);
    return await computed(trainerOf(reference, config, lora, precision, weights), groups, loss);
  } finally {
    await reference.dispose();
  }
}

async function computed(trainer: DeviceTrainer, groups: ReturnType<typeof checkGroups>, loss: GroupLoss) {
  try {
    const logps = (await trainer.logps(groups)).flatMap((g) => g.flatMap((r) => [...r]));
    const { gradients } = await trainer.gradients(groups, loss);
    return { logps, gradients };
  } finally {
    await trainer.dispose();
  }
}

/**
 * The loss a small step along the gradient and against it, beside what the gradient says of that step. Along the whole
 * of it, since a single component may have to go so far that the curve of the loss shows.
 */
async function finiteDifference(
  { device, config: whole, weights, precision }: CheckSubject,
  lora: LoraConfig,
  compared: Compared[],
): Promise<void> {
  const config = compact(whole);
  const groups = checkGroups(config);
  const loss = checkLoss(groups);
  const trainer = trainerOf(device, config, lora, precision, weights);
  const arithmetic = arithmeticOf(device.info.backend, precision);
  try {
    const { gradients } = await trainer.gradients(groups, loss);
    const squares = dot(gradients, gradients);
    if (squares === 0) throw new Finding('all gradients are zero');
    const state = await trainer.state();
    const lossAt = async (parameters: readonly Float32Array[]): Promise<number> => {
      await trainer.restore({ ...state, parameters });
      const sums = (await trainer.logps(groups)).map((g) => g.map((r) => r.reduce((a, b) => a + b, 0)));
      return sums.reduce((sum, logps, i) => sum + loss(i, logps).loss, 0);
    };
    const moved = (by: number) =>
      state.parameters.map((vector, u) => vector.map((x, i) => x + by * (gradients[u]?.[i] ?? 0)));
    const step = MOVE[arithmetic] / 2 / squares;
    const [above, below] = [moved(step), moved(-step)];
    // The step as float32 has it.
    const taken = above.map((vector, u) => vector.map((x, i) => x - (below[u]?.[i] ?? 0)));
    const expected = dot(taken, gradients);
    const seen = (await lossAt(above)) - (await lossAt(below));
    compared.push({
      what: 'gradient against a finite difference',
      difference: Math.abs(seen - expected) / Math.abs(expected),
      allowed: ALLOWED[arithmetic].slope,
    });
  } finally {
    await trainer.dispose();
  }
}

function dot(a: readonly Float32Array[], b: readonly Float32Array[]): number {
  return a.reduce((sum, vector, u) => vector.reduce((part, x, i) => part + x * (b[u]?.[i] ?? 0), sum), 0);
}
