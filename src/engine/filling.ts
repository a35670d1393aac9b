/** Weights on their way to a device. */
import type { Tensor } from 'onnxruntime-web';

/** Element types of stored weights. */
export type StoredType = 'float32' | 'float16' | 'uint8';
export type StoredData = Float32Array | Uint16Array | Uint8Array;

/** A tensor being filled. */
export interface Filling {
  readonly tensor: Tensor;
  /** Elements from `at` on, of the tensor's type; `at` is a multiple of 4 bytes. */
  write(at: number, piece: StoredData): Promise<void>;
}
