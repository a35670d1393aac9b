/** The tensors that a micro-batch brings along: sent to the device once, whatever number of programs takes them. */
import type { Tensor } from 'onnxruntime-web';
import { batchTensors, type MicroBatch } from '../model/batch.ts';
import { maskShape, responseTotal, rowTotal } from '../model/block.ts';
import type { ModelConfig } from '../model/config.ts';
import { cosInput, maskInput, sinInput } from '../model/training-graphs.ts';
import { type Device, dispose, type Tensors } from './device.ts';
import type { Group } from './types.ts';

export interface Bound {
  readonly batch: MicroBatch;
  readonly ids: Tensor;
  readonly labels: Tensor;
  /** Rotary tables and masks. */
  readonly positions: Tensors;
}

export class BatchInputs {
  /** Those of the micro-batch that was bound last, by name. */
  private readonly given = new Map<string, Tensor>();

  constructor(
    private readonly device: Device,
    private readonly config: ModelConfig,
  ) {}

  /** Takes the place of the micro-batch before it. */
  bind(groups: readonly Group[], batch: MicroBatch): Bound {
    const { config } = this;
    const s = batch.geometry;
    const t = batchTensors(config, groups, batch);
    const positions: Tensors = {};
    t.rotations.forEach(({ cos, sin }, rope) => {
      const shape = [rowTotal(s), 1, config.headDim / 2];
      positions[cosInput(rope)] = this.put(cosInput(rope), cos, shape);
      positions[sinInput(rope)] = this.put(sinInput(rope), sin, shape);
    });
    for (const { window, mask } of t.masks) {
      positions[maskInput(window)] = this.put(maskInput(window), mask, maskShape(s));
    }
    return {
      batch,
      ids: this.put('ids', t.ids, [rowTotal(s)]),
      labels: this.put('labels', t.labels, [responseTotal(s)]),
      positions,
    };
  }

  put(name: string, data: Float32Array | Int32Array, shape: readonly number[]): Tensor {
    const tensor = this.device.renew(this.given.get(name), data, shape);
    this.given.set(name, tensor);
    return tensor;
  }

  dispose(): void {
    dispose(...this.given.values());
    this.given.clear();
  }
}
