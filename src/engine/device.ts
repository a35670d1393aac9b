/**
 * The one place that talks to onnxruntime: compiles graphs, holds tensors where they are used, and runs one
 * thing at a time (web sessions can't overlap).
 */
import type {
  env,
  InferenceSession,
  InferenceSessionFactory,
  Tensor,
  TensorConstructor,
} from 'onnxruntime-web';
import {
  type DType,
  dtypeOf,
  encodeModel,
  encodeParts,
  Graph,
  sizeOf,
  staticShape,
  type TensorData,
} from '../graph/index.ts';
import type { Numbers } from '../model/matrix.ts';
import { keptAs, type Precision } from '../model/precision.ts';
import { DeviceError, DeviceLostError, driverError } from './device-error.ts';
import type { Filling, StoredType } from './filling.ts';
import { ARRAYS, GpuMemory } from './gpu-memory.ts';
import { OpenCalls } from './open-calls.ts';
import { Queue } from './queue.ts';
import type { DeviceInfo } from './types.ts';

export { DeviceError, DeviceLostError } from './device-error.ts';

/** What onnxruntime-web and onnxruntime-node have in common. */
export interface Ort {
  readonly InferenceSession: InferenceSessionFactory;
  readonly Tensor: TensorConstructor;
  readonly env: typeof env;
}

/** Tensors that a program takes and gives. Data stays where the backend computes. */
export type Tensors = Record<string, Tensor>;

/** The output of a run by that name. */
export function pick(tensors: Tensors, name: string): Tensor {
  const tensor = tensors[name];
  if (!tensor) throw new Error(`internal: no output ${name}`);
  return tensor;
}

/** CPU tensors have nothing to free; GPU buffers do. */
export function dispose(...tensors: readonly Tensor[]): void {
  for (const tensor of tensors) if (tensor.location === 'gpu-buffer') tensor.dispose();
}

export interface Program {
  /**
   * Runs with every input of the graph bound; the outputs belong to the caller, who disposes of them.
   *
   * @param into tensors that take outputs in, by their names; one may be an input too, where its operator allows it
   */
  run(inputs: Tensors, into?: Tensors): Promise<Tensors>;
  release(): Promise<void>;
}

export interface DeviceOptions {
  readonly ort: Ort;
  readonly info: DeviceInfo;
  readonly providers: InferenceSession.SessionOptions['executionProviders'];
  /** Given for WebGPU only. */
  readonly gpu?: GPUDevice;
  /** Opens the device that a GPU is compared with: of the runtime for WebAssembly, which has every operator. */
  readonly onWasm?: () => Promise<Device>;
  /** Threads of native sessions; web sessions take theirs from the environment. */
  readonly threads?: number;
}

export class Device {
  readonly info: DeviceInfo;
  private readonly queue = new Queue();
  private readonly programs = new Map<string, Promise<Program>>();
  private readonly options: DeviceOptions;
  /** How many sessions were made; a test watches that steady work makes none. */
  compiled = 0;
  private readonly calls = new OpenCalls();
  /** Bytes written to the GPU since it was last waited for. */
  private unsent = 0;
  /** Where the device is a GPU, what is there beside onnxruntime's own buffers. */
  readonly memory: GpuMemory | null;

  constructor(options: DeviceOptions) {
    this.options = options;
    this.info = options.info;
    const { gpu, ort } = options;
    this.memory = gpu ? new GpuMemory(gpu, ort.Tensor.fromGpuBuffer) : null;
    const lost = (why: string) =>
      new DeviceLostError(`the graphics device was lost (${why})`, { offer: 'wasm' });
    void gpu?.lost.then(({ reason, message }) =>
      this.calls.end(lost(message || reason || 'no reason given')),
    );
    // What comes after an error that no one asked about (a shader that does not compile, memory that is not there) is
    // computed from what the failed command left undone.
    gpu?.addEventListener('uncapturederror', ({ error }) =>
      this.calls.end(
        new DeviceError(`the graphics driver reported an error (${error.message})`, { offer: 'wasm' }),
      ),
    );
  }

  /**
   * One thing at a time, and nothing on a lost device: a call that never answers is given up, and one that fails
   * or seems to succeed is checked, since what it read may be what the loss left behind.
   */
  async exclusive<T>(work: () => Promise<T>): Promise<T> {
    if (!this.options.gpu) return this.queue.run(work);
    return this.queue.run(async () => {
      const outcome = await this.calls.call(work).then(
        (value) => ({ value }),
        (error: unknown) => ({ error }),
      );
      // The failure of a call is often told before the loss that caused it.
      if ('error' in outcome && !this.calls.ended)
        await new Promise((resolve) => setTimeout(resolve, LOSS_PATIENCE));
      if (this.calls.ended) throw this.calls.ended;
      if ('error' in outcome) throw driverError(outcome.error);
      return outcome.value;
    });
  }

  /** Another device, on WebAssembly: what results are compared with. Only a GPU's has one. */
  async onWasm(): Promise<Device> {
    if (!this.options.onWasm) throw new Error('internal: nothing to compare this device with');
    return this.options.onWasm();
  }

  /**
   * Work during which a GPU device that does not answer is given up for good: a hanging driver says nothing.
   *
   * @throws DeviceError after `patience` milliseconds
   */
  async within<T>(patience: number, work: () => Promise<T>): Promise<T> {
    const timer = setTimeout(
      () =>
        this.calls.end(
          new DeviceError(`it did not answer within ${(patience / 1000).toLocaleString('en')} seconds`, {
            offer: 'wasm',
          }),
        ),
      patience,
    );
    try {
      return await work();
    } catch (error) {
      // Of a device that is given up, what was under way fails in ways of its own.
      throw this.calls.ended ?? error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** The program kept under `key`, compiled on first use. At most `CACHED` are kept, the oldest go. */
  program(key: string, build: () => Graph): Promise<Program> {
    let program = this.programs.get(key);
    if (program) {
      this.programs.delete(key);
    } else {
      program = this.compile(build());
      program.catch(() => this.programs.delete(key));
      const [oldest] = this.programs;
      if (this.programs.size >= CACHED && oldest) {
        this.programs.delete(oldest[0]);
        void oldest[1].then((p) => p.release()).catch(() => undefined);
      }
    }
    this.programs.set(key, program);
    return program;
  }

  /** Has the runtime fetched, compiled and started, while files are still read. */
  async warm(): Promise<void> {
    const { ort, providers } = this.options;
    const graph = new Graph();
    graph.output('y', graph.add(graph.input('x', 'float32', [1]), 1));
    const options = { executionProviders: providers, logSeverityLevel: 3 } as const;
    await this.exclusive(async () =>
      (await ort.InferenceSession.create(encodeModel(graph), options)).release(),
    );
  }

  /** Compiles a graph outside the cache; the caller releases it. */
  async compile(graph: Graph): Promise<Program> {
    const { ort, providers, gpu, threads } = this.options;
    const onGpu = gpu !== undefined;
    // The native build takes such files from the disk only.
    const { model, files } = encodeParts(
      graph,
      this.info.backend === 'cpu' ? Number.POSITIVE_INFINITY : LARGE,
    );
    const session = await this.exclusive(() =>
      ort.InferenceSession.create(model, {
        ...(files.length > 0 ? { externalData: files } : {}),
        executionProviders: providers,
        graphOptimizationLevel: 'all',
        logSeverityLevel: 3,
        ...(threads ? { intraOpNumThreads: threads } : {}),
        // A node that quietly ran on the CPU would copy its tensors back and forth on every step.
        ...(onGpu
          ? { preferredOutputLocation: 'gpu-buffer', extra: { session: { disable_cpu_ep_fallback: '1' } } }
          : {}),
      }),
    );
    this.compiled++;
    const names = graph.inputs.map((v) => v.name);
    const outputs = graph.outputNames.map((name) => [name, null] as const);
    return {
      run: (inputs, into) =>
        this.exclusive(async () => {
          const feeds: Tensors = {};
          for (const name of names) {
            const tensor = inputs[name];
            if (!tensor) throw new Error(`internal: input ${name} is not bound`);
            feeds[name] = tensor;
          }
          if (!into) return (await session.run(feeds)) as Tensors;
          return (await session.run(feeds, { ...Object.fromEntries(outputs), ...into })) as Tensors;
        }),
      release: () => this.exclusive(() => session.release()),
    };
  }

  /** A tensor that stays on the device until it is disposed of. */
  upload(data: TensorData, shape: readonly number[]): Tensor {
    if (data.length !== sizeOf(shape))
      throw new Error(`internal: ${data.length} elements for [${shape.join(',')}]`);
    return this.memory ? this.memory.upload(data, shape) : this.host(data, shape);
  }

  /**
   * A tensor that stays on the device and is filled piece by piece, so that nothing of its size is held beside it.
   *
   * @throws DeviceError where the GPU has no buffers of that size
   */
  create(dtype: StoredType, shape: readonly number[]): Filling {
    const { memory } = this;
    if (!memory) {
      const data = new ARRAYS[dtype](sizeOf(shape));
      const tensor = this.host(data, shape, dtype);
      return { tensor, write: async (at, piece) => data.set(piece, at) };
    }
    const tensor = memory.zeros(dtype, shape);
    return {
      tensor,
      write: async (at, piece) => {
        this.unsent += memory.write(tensor, at * ARRAYS[dtype].BYTES_PER_ELEMENT, piece);
        if (this.unsent < MOST_UNSENT) return;
        this.unsent = 0;
        await this.exclusive(async () => this.options.gpu?.queue.onSubmittedWorkDone());
      },
    };
  }

  /** The precision in which weights can be kept here, and why where it is not the one asked for. */
  keeps(precision: Precision): { precision: Precision; note: string } {
    const { gpu } = this.options;
    const kept = keptAs(precision, !gpu || gpu.features.has('shader-f16'));
    if (kept === precision) return { precision, note: '' };
    return {
      precision: kept,
      note: 'this GPU has no float16 (shader-f16), so the weights are kept as float32; q8 and q4 need less memory',
    };
  }

  /** How graphs for this device work with frozen weights of a precision. */
  numbers(precision: Precision): Numbers {
    return { precision, gpu: this.options.gpu !== undefined };
  }

  /** A small tensor for one run; it travels with the call. */
  host(data: TensorData, shape: readonly number[], dtype: DType = dtypeOf(data)): Tensor {
    return new this.options.ort.Tensor(dtype, data, staticShape(shape, 'tensor'));
  }

  /**
   * A tensor of these numbers that takes the place of one made here before, and its memory where it has the same shape.
   * What runs take from the host is sent anew by each of them; this is sent once.
   */
  renew(before: Tensor | undefined, data: TensorData, shape: readonly number[]): Tensor {
    if (!this.memory) return this.host(data, shape);
    if (before && before.type === dtypeOf(data) && before.dims.join() === shape.join()) {
      this.memory.write(before, 0, data);
      return before;
    }
    if (before) dispose(before);
    return this.upload(data, shape);
  }

  /** The numbers of several float32 tensors, with one wait for all of them. */
  async readAll(tensors: readonly Tensor[]): Promise<Float32Array[]> {
    const wrong = tensors.find(({ type }) => type !== 'float32');
    if (wrong) throw new Error(`internal: ${wrong.type} where float32 was expected`);
    const bytes = await this.bytesOf(tensors);
    if (bytes) {
      let at = 0;
      return tensors.map(({ size }) => {
        at += size * 4;
        return new Float32Array(bytes, at - size * 4, size);
      });
    }
    const all: Float32Array[] = [];
    for (const tensor of tensors) all.push((await this.readFloats(tensor)).slice());
    return all;
  }

  /**
   * The bytes of tensors on the GPU, one after another; null where they lie in host memory. onnxruntime's own way makes
   * a host tensor of a GPU's, whose buffer is then never given back.
   */
  private async bytesOf(tensors: readonly Tensor[]): Promise<ArrayBuffer | null> {
    const { memory } = this;
    if (!memory || tensors.some(({ location }) => location !== 'gpu-buffer')) return null;
    return this.exclusive(() => memory.read(tensors));
  }

  /** The numbers of a float32 tensor, wherever it lives. */
  readFloats(tensor: Tensor): Promise<Float32Array> {
    return this.read(tensor, 'float32', Float32Array);
  }

  readInts(tensor: Tensor): Promise<Int32Array> {
    return this.read(tensor, 'int32', Int32Array);
  }

  private async read<T>(tensor: Tensor, type: DType, Kind: new (bytes: ArrayBuffer) => T): Promise<T> {
    const bytes = await this.bytesOf([tensor]);
    const data = bytes ? new Kind(bytes) : await this.exclusive(() => tensor.getData());
    if (tensor.type !== type || !(data instanceof Kind))
      throw new Error(`internal: ${tensor.type} where ${type} was expected`);
    return data;
  }

  /** Forgets all cached programs. */
  async dispose(): Promise<void> {
    const programs = [...this.programs.values()];
    this.programs.clear();
    try {
      for (const program of programs) await (await program).release();
    } finally {
      this.options.gpu?.destroy();
    }
  }
}

/** Bytes on their way to the GPU at once; the browser holds each until it is there. */
const MOST_UNSENT = 2 ** 26;
/** Bytes from which a constant is handed over beside its graph and not within it. */
const LARGE = 2 ** 16;
/** Milliseconds in which a loss that made a call fail becomes known. */
const LOSS_PATIENCE = 500;
/** Programs kept compiled at once. */
const CACHED = 96;
