/** Sampling on a device: batches of prompts x n rows, decoded in slices so that stopping is never far. */
import type { Tensor } from 'onnxruntime-web';
import { Graph } from '../graph/index.ts';
import { rotaryTable } from '../model/batch.ts';
import { MASKED } from '../model/block.ts';
import type { ModelConfig } from '../model/config.ts';
import type { SamplingRule } from '../model/draw-token.ts';
import type { Numbers } from '../model/matrix.ts';
import { constantModel, inputModel, type ModelValues } from '../model/model-values.ts';
import {
  type LoraConfig,
  layerName,
  mergeLora,
  projections,
  units,
  unpackUnit,
} from '../model/parameters.ts';
import {
  loopGraph,
  prefill,
  type SamplingShape,
  samplingKey,
  stateNames,
  stepGraph,
} from '../model/sampling-graphs.ts';
import { cosInput, kindsKey, sinInput, thetaInput } from '../model/training-graphs.ts';
import { type Device, dispose, type Program, type Tensors } from './device.ts';
import { type Batch, beginBatch, checkSampling, collect, planBatches } from './sample-batches.ts';
import type {
  AdapterWeights,
  Sample,
  SampleOptions,
  SampleRequest,
  Sampler,
  SampleSettings,
} from './types.ts';

export interface SamplerOptions {
  readonly config: ModelConfig;
  readonly lora: LoraConfig;
  readonly adapter: AdapterWeights | null;
  /** Base weights on the device, by their parts' names. */
  readonly weights: ReadonlyMap<string, Tensor>;
  /** How they are kept; float32 on this device where it is not given. */
  readonly numbers?: Numbers;
  /** Rows decoded together. */
  readonly rows: number;
  /** Rounds between looks at the signal. */
  readonly slice: number;
}

/** Bytes of weights that all decoders kept have built in, where more than one is. */
const DECODERS_BYTES = 2 ** 27;

export class DeviceSampler implements Sampler {
  private readonly programs = new Map<string, Promise<Program>>();
  private readonly device: Device;
  private readonly options: SamplerOptions;
  /**
   * Float32 weights with the adapter merged in, where they are built into the graph; else null. Weights of fewer bits
   * are handed in instead, and the adapter beside them: built in, they would be made float32 beforehand.
   */
  private readonly merged: Map<string, Float32Array> | null;
  private readonly bound: Tensors = {};
  private readonly numbers: Numbers;

  constructor(device: Device, options: SamplerOptions) {
    this.device = device;
    this.options = options;
    const { weights, adapter, config, lora } = options;
    this.numbers = options.numbers ?? device.numbers('f32');
    this.merged = this.numbers.gpu || this.numbers.precision !== 'f32' ? null : mergedWeights(options);
    for (const [name, tensor] of weights) {
      const data = this.merged?.get(name);
      this.bound[name] = data ? device.host(data, tensor.dims) : tensor;
    }
    if (!this.merged && adapter) {
      units(config, { kind: 'lora', lora }).forEach((_, l) => {
        const theta = adapter[l] ?? new Float32Array(0);
        this.bound[thetaInput(l)] = device.upload(theta, [theta.length]);
      });
    }
  }

  async sample(
    requests: readonly SampleRequest[],
    settings: SampleSettings,
    onDone: (index: number, samples: Sample[]) => void | Promise<void>,
    { signal, onTokens, finished = new Set() }: SampleOptions = {},
  ): Promise<void> {
    checkSampling(requests, settings, this.options.config.contextLength);
    const results: Sample[][] = requests.map(() => []);
    for (const parts of planBatches(requests, this.options.rows)) {
      if (parts.every((part) => finished.has(part.request))) continue;
      signal?.throwIfAborted();
      const batch = beginBatch(this.options.config, requests, parts, settings, this.options.rows);
      await this.decode(requests, batch, settings, signal, onTokens);
      for (const [slot, part] of parts.entries()) {
        const samples = results[part.request] ?? [];
        for (let j = 0; j < part.count; j++) {
          const row = batch.rows[slot * batch.shape.n + j];
          if (row) samples[part.first + j] = row;
        }
        const wanted = requests[part.request]?.n ?? 0;
        if (Object.keys(samples).length === wanted && !finished.has(part.request))
          await onDone(part.request, samples);
      }
    }
  }

  private async decode(
    requests: readonly SampleRequest[],
    batch: Batch,
    settings: SampleSettings,
    signal: AbortSignal | undefined,
    onTokens: ((tokens: number) => void) | undefined,
  ): Promise<void> {
    const { slice } = this.options;
    const prompts = batch.parts.map((p) => requests[p.request]?.promptIds ?? []);
    const most = Math.max(...batch.limits);
    const context = await this.prefill(batch.shape, prompts, most);
    let state = this.firstState(batch, prompts);
    try {
      for (let done = 0; done < most; ) {
        signal?.throwIfAborted();
        const rounds = Math.min(slice, most - done);
        const out = await this.rounds(batch, settings, context, state, rounds);
        dispose(...Object.values(state));
        state = out.state;
        const before = batch.rows.reduce((sum, row) => sum + row.tokenIds.length, 0);
        collect(batch, settings.stopIds, out.tokens, out.logps);
        onTokens?.(batch.rows.reduce((sum, row) => sum + row.tokenIds.length, 0) - before);
        done += rounds;
        if (batch.rows.every((row, i) => row.stopped || row.tokenIds.length >= (batch.limits[i] ?? 0))) break;
      }
    } finally {
      dispose(...Object.values(state), ...Object.values(context));
    }
  }

  /** Keys and values of the prompts, their mask and the rotary tables. */
  private async prefill(
    s: SamplingShape,
    prompts: readonly (readonly number[])[],
    most: number,
  ): Promise<Tensors> {
    const { config } = this.options;
    const P = s.promptRows;
    const ids = new Int32Array(s.prompts * P);
    const positions = new Int32Array(s.prompts * P);
    const mask = new Float32Array(s.prompts * P).fill(MASKED);
    prompts.forEach((prompt, slot) => {
      for (let i = 0; i < prompt.length - 1; i++) {
        ids[slot * P + i] = prompt[i] ?? 0;
        positions[slot * P + i] = i;
        mask[slot * P + i] = 0;
      }
    });
    const tables = (at: ArrayLike<number>, shape: readonly number[]): Tensors => {
      const result: Tensors = {};
      config.rope.forEach((rope, i) => {
        const { cos, sin } = rotaryTable(rope, config.headDim, at);
        result[cosInput(i)] = this.device.host(cos, [...shape, config.headDim / 2]);
        result[sinInput(i)] = this.device.host(sin, [...shape, config.headDim / 2]);
      });
      return result;
    };
    const program = await this.program(`prefill ${s.prompts} ${P} ${kindsKey(s.kinds)}`, () => {
      const g = new Graph();
      prefill(g, config, s, this.inputs(g));
      return g;
    });
    const out = await program.run({
      ...this.bound,
      ids: this.device.host(ids, [ids.length]),
      ...tables(positions, [positions.length, 1]),
    });
    const longest = Math.max(...prompts.map((p) => p.length));
    const reach = Int32Array.from({ length: longest + most + 1 }, (_, i) => i);
    return {
      ...out,
      mask: this.device.host(mask, [s.prompts, 1, 1, P]),
      ...tables(reach, [reach.length]),
    };
  }

  private firstState({ shape }: Batch, prompts: readonly (readonly number[])[]): Tensors {
    const { config } = this.options;
    const B = shape.prompts * shape.n;
    const perRow = (value: (prompt: readonly number[] | undefined) => number) =>
      Array.from({ length: B }, (_, i) => value(prompts[Math.floor(i / shape.n)]));
    const empty = () => this.device.host(new Float32Array(0), [B, config.kvHeads, 0, config.headDim]);
    const state: Tensors = {
      ids: this.device.host(Int32Array.from(perRow((p) => p?.at(-1) ?? 0)), [B]),
      positions: this.device.host(Int32Array.from(perRow((p) => (p ? p.length - 1 : 0))), [B]),
      // Padding rows count as finished from the start.
      finished: this.device.host(Float32Array.from(perRow((p) => (p ? 0 : 1))), [B]),
    };
    for (const name of stateNames(config)) state[name] ??= empty();
    return state;
  }

  /** Some rounds on the device: the new state, and what was drawn ([t, B], t up to `rounds`). */
  private async rounds(
    batch: Batch,
    settings: SampleSettings,
    context: Tensors,
    state: Tensors,
    rounds: number,
  ) {
    const { config, slice } = this.options;
    const { shape } = batch;
    const B = shape.prompts * shape.n;
    const rule: SamplingRule = settings;
    const uniforms = new Float32Array(slice * B);
    for (let round = 0; round < rounds; round++) {
      for (let i = 0; i < B; i++) uniforms[round * B + i] = batch.draws[i]?.() ?? 0;
    }
    const key = `${samplingKey(shape)} ${JSON.stringify([rule.temperature, rule.topP, rule.topK, rule.stopIds])}`;
    const names = stateNames(config);
    if (!this.numbers.gpu) {
      const loop = `loop ${slice} ${key}`;
      await this.makeRoom(loop);
      const program = await this.program(loop, () =>
        loopGraph(config, shape, rule, slice, (g) => this.builtIn(g)),
      );
      const out = await program.run({
        ...this.bound,
        ...context,
        ...state,
        u: this.device.host(uniforms, [slice, B]),
        rounds: this.device.host(BigInt64Array.of(BigInt(rounds)), []),
        go_on: this.device.host(Uint8Array.of(1), []),
      });
      return { state: renamed(out, names), ...(await this.drawn(out, 'tokens', 'logps')) };
    }
    const program = await this.program(`step ${key}`, () =>
      stepGraph(config, shape, rule, (g) => this.inputs(g)),
    );
    const log = ['tokens', 'logps'];
    let current: Tensors = {
      ...state,
      tokens: this.device.host(new Int32Array(0), [0, B]),
      logps: this.device.host(new Float32Array(0), [0, B]),
    };
    for (let round = 0; round < rounds; round++) {
      const u = this.device.host(uniforms.slice(round * B, (round + 1) * B), [B]);
      const out = await program.run({ ...this.bound, ...context, ...current, u });
      if (round > 0) dispose(...Object.values(current));
      current = renamed(out, [...names, ...log]);
    }
    const drawn = await this.drawn(current, 'tokens', 'logps');
    const { tokens, logps, ...next } = current;
    dispose(...[tokens, logps].filter((t) => t !== undefined));
    return { state: next, ...drawn };
  }

  private async drawn(out: Tensors, tokens: string, logps: string) {
    const [t, l] = [out[tokens], out[logps]];
    if (!t || !l) throw new Error('internal: nothing drawn');
    return { tokens: await this.device.readInts(t), logps: await this.device.readFloats(l) };
  }

  private inputs(g: Graph): ModelValues {
    const { config, lora, adapter } = this.options;
    return inputModel(g, config, !this.merged && adapter ? lora : null, this.numbers);
  }

  private builtIn(g: Graph): ModelValues {
    const { merged } = this;
    if (!merged) return this.inputs(g);
    return constantModel(g, this.options.config, (name) => merged.get(name) ?? new Float32Array(0));
  }

  /** Decoders with their weights built in are kept up to a limit, so that varied prompt lengths do not add up. */
  private async makeRoom(key: string): Promise<void> {
    if (!this.merged || this.programs.has(key)) return;
    const bytes = [...this.merged.values()].reduce((sum, weight) => sum + weight.byteLength, 0);
    const most = Math.max(1, Math.floor(DECODERS_BYTES / bytes));
    const kept = [...this.programs].filter(([name]) => name.startsWith('loop '));
    for (const [name, program] of kept.slice(0, Math.max(0, kept.length - most + 1))) {
      this.programs.delete(name);
      await (await program).release();
    }
  }

  private program(key: string, build: () => Graph): Promise<Program> {
    let program = this.programs.get(key);
    if (!program) {
      program = this.device.compile(build());
      program.catch(() => this.programs.delete(key));
      this.programs.set(key, program);
    }
    return program;
  }

  async dispose(): Promise<void> {
    const programs = [...this.programs.values()];
    this.programs.clear();
    for (const program of programs) await (await program).release();
    for (const [name, tensor] of Object.entries(this.bound))
      if (!this.options.weights.has(name)) dispose(tensor);
  }
}

function renamed(out: Tensors, names: readonly string[]): Tensors {
  return Object.fromEntries(
    names.map((name) => {
      const tensor = out[`${name}_out`];
      if (!tensor) throw new Error(`internal: no output ${name}_out`);
      return [name, tensor];
    }),
  );
}

/** All weights in host memory, the adapter merged into the projections it targets. */
function mergedWeights({ config, lora, adapter, weights }: SamplerOptions): Map<string, Float32Array> {
  const result = new Map<string, Float32Array>();
  for (const [name, tensor] of weights) {
    if (!(tensor.data instanceof Float32Array)) throw new Error(`internal: ${name} is not in host memory`);
    result.set(name, tensor.data);
  }
  if (!adapter) return result;
  const scale = lora.alpha / lora.rank;
  units(config, { kind: 'lora', lora }).forEach((unit, l) => {
    const tensors = new Map(unpackUnit(unit, adapter[l] ?? new Float32Array(0)).map((t) => [t.name, t.data]));
    for (const { path, out, in: inner } of projections(config)) {
      const a = tensors.get(layerName(l, `${path}.lora_A.weight`));
      const b = tensors.get(layerName(l, `${path}.lora_B.weight`));
      const name = layerName(l, `${path}.weight`);
      const weight = result.get(name);
      if (a && b && weight)
        result.set(name, mergeLora(weight, a, b, { out, in: inner, rank: lora.rank, scale }));
    }
  });
  return result;
}
