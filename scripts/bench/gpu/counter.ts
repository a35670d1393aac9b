/**
 * What passes between this page and the GPU, whoever asks for it: counted at WebGPU's own calls, so onnxruntime's are
 * among them. The counts are the same on an adapter that computes in software.
 */

export interface GpuCounts {
  readonly dispatches: number;
  readonly submits: number;
  /** Buffers mapped to be read: each waits until the GPU has done all before. */
  readonly readBacks: number;
  /** Buffers made, and their bytes. */
  readonly buffers: number;
  readonly bytesAllocated: number;
  /** Buffers that shaders use, made less destroyed: what steady work does not add to. Mapped ones pass. */
  readonly kept: number;
  readonly bytesKept: number;
  /** Writes into buffers, and buffers that were filled as they were made. */
  readonly uploads: number;
  readonly bytesUploaded: number;
  /** Copies between buffers. */
  readonly copies: number;
  /** Shaders compiled. */
  readonly pipelines: number;
}

/** Bytes of buffers that shaders use, until they are destroyed or collected. */
export interface GpuHeld {
  readonly bytes: number;
  /** The most there were at once since `forgetMost`. */
  readonly mostBytes: number;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const NOTHING: GpuCounts = {
  dispatches: 0,
  submits: 0,
  readBacks: 0,
  buffers: 0,
  bytesAllocated: 0,
  kept: 0,
  bytesKept: 0,
  uploads: 0,
  bytesUploaded: 0,
  copies: 0,
  pipelines: 0,
};

export const COUNTED = Object.keys(NOTHING) as readonly (keyof GpuCounts)[];

const so: Mutable<GpuCounts> = { ...NOTHING };
const held: Mutable<GpuHeld> = { bytes: 0, mostBytes: 0 };
const sizes = new WeakMap<GPUBuffer, number>();

/** onnxruntime lets go of some buffers without destroying them. */
const collected = new FinalizationRegistry<number>((size) => {
  held.bytes -= size;
});

const createBuffer = GPUDevice.prototype.createBuffer;
GPUDevice.prototype.createBuffer = function (descriptor) {
  const buffer = createBuffer.call(this, descriptor);
  const { size, usage, mappedAtCreation = false } = descriptor;
  so.buffers++;
  so.bytesAllocated += size;
  if (mappedAtCreation) {
    so.uploads++;
    so.bytesUploaded += size;
  }
  if ((usage & (GPUBufferUsage.STORAGE | GPUBufferUsage.UNIFORM)) !== 0) {
    sizes.set(buffer, size);
    collected.register(buffer, size, buffer);
    so.kept++;
    so.bytesKept += size;
    held.bytes += size;
    held.mostBytes = Math.max(held.mostBytes, held.bytes);
  }
  return buffer;
};
const destroy = GPUBuffer.prototype.destroy;
GPUBuffer.prototype.destroy = function () {
  const size = sizes.get(this);
  if (size !== undefined) {
    so.kept--;
    so.bytesKept -= size;
    held.bytes -= size;
  }
  sizes.delete(this);
  collected.unregister(this);
  return destroy.call(this);
};

/** Tells `see` the arguments of every call of a method. */
function watch<T extends object>(
  prototype: T,
  name: keyof T & string,
  see: (given: readonly unknown[]) => void,
): void {
  const original: unknown = prototype[name];
  if (typeof original !== 'function') throw new Error(`internal: ${name} is no method`);
  Object.defineProperty(prototype, name, {
    configurable: true,
    writable: true,
    value: function (this: T, ...given: unknown[]): unknown {
      see(given);
      return Reflect.apply(original, this, given);
    },
  });
}

watch(GPUBuffer.prototype, 'mapAsync', ([mode]) => {
  if (mode === GPUMapMode.READ) so.readBacks++;
});
watch(GPUQueue.prototype, 'writeBuffer', ([, , data, from = 0, size]) => {
  so.uploads++;
  so.bytesUploaded += written(data, Number(from), size);
});
watch(GPUQueue.prototype, 'submit', () => so.submits++);
watch(GPUComputePassEncoder.prototype, 'dispatchWorkgroups', () => so.dispatches++);
watch(GPUComputePassEncoder.prototype, 'dispatchWorkgroupsIndirect', () => so.dispatches++);
watch(GPUCommandEncoder.prototype, 'copyBufferToBuffer', () => so.copies++);
watch(GPUDevice.prototype, 'createComputePipeline', () => so.pipelines++);
watch(GPUDevice.prototype, 'createComputePipelineAsync', () => so.pipelines++);

/** Bytes of a `writeBuffer`: `from` and `size` count elements of a typed array, bytes of anything else. */
function written(data: unknown, from: number, size: unknown): number {
  const view = ArrayBuffer.isView(data);
  if (!view && !(data instanceof ArrayBuffer) && !(data instanceof SharedArrayBuffer)) return 0;
  const width = view && 'BYTES_PER_ELEMENT' in data ? Number(data.BYTES_PER_ELEMENT) : 1;
  return typeof size === 'number' ? size * width : data.byteLength - from * width;
}

/** All since the page began. */
export const gpuCounts = (): GpuCounts => ({ ...so });

/** What was asked of the GPU since then. */
export function since(before: GpuCounts): GpuCounts {
  const result: Mutable<GpuCounts> = { ...NOTHING };
  for (const name of COUNTED) result[name] = so[name] - before[name];
  return result;
}

/** What `work` asked of the GPU. */
export async function counted(work: () => Promise<unknown>): Promise<GpuCounts> {
  const before = gpuCounts();
  await work();
  return since(before);
}

export function gpuHeld(): GpuHeld {
  return { ...held };
}

export function forgetMost(): void {
  held.mostBytes = held.bytes;
}
