/** Buffers of a GPU that the engine makes itself: as tensors, written, copied and read back. */
import type { Tensor } from 'onnxruntime-web';
import { type DType, dtypeOf, sizeOf, type TensorData } from '../graph/index.ts';
import { DeviceError } from './device-error.ts';

/** Elements of 4 bytes from one tensor to another, which both stay where they are. */
export interface Copied {
  readonly from: Tensor;
  readonly fromAt: number;
  readonly to: Tensor;
  readonly toAt: number;
  readonly count: number;
}

export class GpuMemory {
  constructor(
    private readonly gpu: GPUDevice,
    private readonly makeTensor: typeof import('onnxruntime-web').Tensor.fromGpuBuffer,
  ) {}

  /** A tensor of these numbers. */
  upload(data: TensorData, shape: readonly number[]): Tensor {
    const buffer = this.buffer(data.byteLength, true);
    new Uint8Array(buffer.getMappedRange()).set(bytesOf(data));
    buffer.unmap();
    return this.tensor(buffer, dtypeOf(data), shape);
  }

  /** A tensor of zeros. */
  zeros(dtype: DType, shape: readonly number[]): Tensor {
    return this.tensor(this.buffer(sizeOf(shape) * ARRAYS[dtype].BYTES_PER_ELEMENT, false), dtype, shape);
  }

  /** Writes over a tensor from byte `at` on; returns the bytes that are on their way for it. */
  write(tensor: Tensor, at: number, data: TensorData): number {
    let bytes = bytesOf(data);
    if (bytes.length % 4 > 0) {
      // Only whole words can be written; the buffer's size is rounded up, so there is room behind the last one.
      const words = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
      words.set(bytes);
      bytes = words;
    }
    this.gpu.queue.writeBuffer(tensor.gpuBuffer, at, bytes);
    return bytes.length;
  }

  copy(pieces: readonly Copied[]): void {
    if (pieces.length === 0) return;
    const encoder = this.gpu.createCommandEncoder();
    for (const { from, fromAt, to, toAt, count } of pieces)
      encoder.copyBufferToBuffer(from.gpuBuffer, fromAt * 4, to.gpuBuffer, toAt * 4, count * 4);
    this.gpu.queue.submit([encoder.finish()]);
  }

  /** Tensors of 4-byte elements that are read together, as often as wanted: one wait for all. */
  reader(tensors: readonly Tensor[]): Reader {
    const { gpu } = this;
    const sizes = tensors.map((tensor) => tensor.size * 4);
    const staging = gpu.createBuffer({
      size: sizes.reduce((a, b) => a + b, 0),
      usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ,
    });
    return {
      read: async (count = tensors.length) => {
        const encoder = gpu.createCommandEncoder();
        let at = 0;
        tensors.slice(0, count).forEach((tensor, i) => {
          encoder.copyBufferToBuffer(tensor.gpuBuffer, 0, staging, at, sizes[i]);
          at += sizes[i] ?? 0;
        });
        gpu.queue.submit([encoder.finish()]);
        await staging.mapAsync(GPUMapMode.READ, 0, at);
        const data = staging.getMappedRange(0, at).slice(0);
        staging.unmap();
        return data;
      },
      dispose: () => staging.destroy(),
    };
  }

  /** The bytes of tensors of 4-byte elements, one after another. */
  async read(tensors: readonly Tensor[]): Promise<ArrayBuffer> {
    const reader = this.reader(tensors);
    try {
      return await reader.read();
    } finally {
      reader.dispose();
    }
  }

  /** WebGPU wants sizes in whole 16 bytes; onnxruntime reads only what the shape says. */
  private buffer(bytes: number, mappedAtCreation: boolean): GPUBuffer {
    const { limits } = this.gpu;
    const most = Math.min(limits.maxBufferSize, limits.maxStorageBufferBindingSize);
    if (bytes > most) {
      throw new DeviceError(
        `one tensor needs ${megabytes(bytes)}, but this GPU's buffers hold ${megabytes(most)}: choose a precision of fewer bits, or WebAssembly`,
        { offer: 'wasm' },
      );
    }
    return this.gpu.createBuffer({
      size: Math.max(16, Math.ceil(bytes / 16) * 16),
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
      mappedAtCreation,
    });
  }

  private tensor(buffer: GPUBuffer, dtype: DType, shape: readonly number[]): Tensor {
    // onnxruntime's list of a GPU buffer's types leaves out none of these but bool's, which is uint8 there.
    return this.makeTensor(buffer, {
      dataType: dtype === 'bool' ? 'uint8' : dtype,
      dims: [...shape],
      dispose: () => buffer.destroy(),
    });
  }
}

export interface Reader {
  /** The bytes of the first `count` tensors, one after another. */
  read(count?: number): Promise<ArrayBuffer>;
  dispose(): void;
}

const bytesOf = ({ buffer, byteOffset, byteLength }: TensorData): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

export const ARRAYS = {
  float32: Float32Array,
  float16: Uint16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const;

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;
