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
  /** Writes into buffers, and buffers that were filled as they were made. */
  readonly uploads: number;
  readonly bytesUploaded: number;
  /** Copies between buffers. */
  readonly copies: number;
  /** Shaders compiled. */
  readonly pipelines: number;
}

export interface GpuHeld {
  /** Buffers that were made and neither destroyed nor collected. */
  readonly buffers: number;
  readonly bytes: number;
  /** The most bytes there were at once since `forgetMost`. */
  readonly mostBytes: number;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const NOTHING: GpuCounts = {
  dispatches: 0,
  submits: 0,
  readBacks: 0,
  buffers: 0,
  bytesAllocated: 0,
  uploads: 0,
  bytesUploaded: 0,
  copies: 0,
  pipelines: 0,
};

export const COUNTED = Object.keys(NOTHING) as readonly (keyof GpuCounts)[];

const so: Mutable<GpuCounts> = { ...NOTHING };
const held: Mutable<GpuHeld> = { buffers: 0, bytes: 0, mostBytes: 0 };
const sizes = new WeakMap<GPUBuffer, number>();

const gone = (size: number) => {
  held.buffers--;
  held.bytes -= size;
};
/** onnxruntime lets go of some buffers without destroying them. */
const collected = new FinalizationRegistry<number>(gone);

/** Tells `see` of every call of a method, once it is made. */
function watch<T extends object, K extends keyof T>(
  prototype: T,
  name: K,
  see: (self: T, result: unknown, given: readonly unknown[]) => void,
): void {
  const original = prototype[name];
  if (typeof original !== 'function') throw new Error(`internal: ${String(name)} is no method`);
  Object.defineProperty(prototype, name, {
    configurable: true,
    writable: true,
    value: function (this: T, ...given: unknown[]): unknown {
      const result: unknown = Reflect.apply(original, this, given);
      see(this, result, given);
      return result;
    },
  });
}

watch(GPUDevice.prototype, 'createBuffer', (_, buffer, [descriptor]) => {
  const { size, mappedAtCreation = false } = descriptor as GPUBufferDescriptor;
  so.buffers++;
  so.bytesAllocated += size;
  if (mappedAtCreation) {
    so.uploads++;
    so.bytesUploaded += size;
  }
  if (!(buffer instanceof GPUBuffer)) return;
  sizes.set(buffer, size);
  collected.register(buffer, size, buffer);
  held.buffers++;
  held.bytes += size;
  held.mostBytes = Math.max(held.mostBytes, held.bytes);
});
watch(GPUBuffer.prototype, 'destroy', (buffer) => {
  const size = sizes.get(buffer);
  if (size === undefined) return;
  sizes.delete(buffer);
  collected.unregister(buffer);
  gone(size);
});
watch(GPUBuffer.prototype, 'mapAsync', (_, __, [mode]) => {
  if (mode === GPUMapMode.READ) so.readBacks++;
});
watch(GPUQueue.prototype, 'writeBuffer', (_, __, [, , data, from = 0, size]) => {
  so.uploads++;
  so.bytesUploaded += written(data, from, size);
});
watch(GPUQueue.prototype, 'submit', () => so.submits++);
watch(GPUComputePassEncoder.prototype, 'dispatchWorkgroups', () => so.dispatches++);
watch(GPUComputePassEncoder.prototype, 'dispatchWorkgroupsIndirect', () => so.dispatches++);
watch(GPUCommandEncoder.prototype, 'copyBufferToBuffer', () => so.copies++);
watch(GPUDevice.prototype, 'createComputePipeline', () => so.pipelines++);
watch(GPUDevice.prototype, 'createComputePipelineAsync', () => so.pipelines++);

/** Bytes of a `writeBuffer`: `from` and `size` count elements of a typed array, bytes of anything else. */
function written(data: unknown, from: unknown, size: unknown): number {
  if (!(ArrayBuffer.isView(data) || data instanceof ArrayBuffer || data instanceof SharedArrayBuffer))
    return 0;
  const width = 'BYTES_PER_ELEMENT' in data ? Number(data.BYTES_PER_ELEMENT) : 1;
  return typeof size === 'number' ? size * width : data.byteLength - Number(from) * width;
}

/** What `work` asked of the GPU. */
export async function counted(work: () => Promise<unknown>): Promise<GpuCounts> {
  const before = { ...so };
  await work();
  const result: Mutable<GpuCounts> = { ...NOTHING };
  for (const name of COUNTED) result[name] = so[name] - before[name];
  return result;
}

export function gpuHeld(): GpuHeld {
  return { ...held };
}

export function forgetMost(): void {
  held.mostBytes = held.bytes;
}
