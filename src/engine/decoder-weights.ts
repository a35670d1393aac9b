/** A sampler's weights: handed to its graphs, or built into them with the adapter merged in. */
import type { Tensor } from 'onnxruntime-web';
import type { Graph } from '../graph/index.ts';
import type { ModelConfig } from '../model/config.ts';
import { joinedValues, separateValues } from '../model/fused-layers.ts';
import type { LoopValues } from '../model/loop-graph.ts';
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
import { thetaInput } from '../model/training-graphs.ts';
import { type Device, dispose, type Tensors } from './device.ts';
import type { AdapterWeights } from './types.ts';

export interface WeightOptions {
  readonly config: ModelConfig;
  readonly lora: LoraConfig;
  readonly adapter: AdapterWeights | null;
  /** Base weights on the device, by their parts' names. */
  readonly weights: ReadonlyMap<string, Tensor>;
  /** How they are kept; float32 on this device where it is not given. */
  readonly numbers?: Numbers;
}

export class DecoderWeights {
  readonly config: ModelConfig;
  readonly numbers: Numbers;
  readonly lora: LoraConfig;
  readonly adapter: AdapterWeights | null;
  /** What a graph of `inputs` takes. */
  readonly bound: Tensors = {};
  /**
   * Float32 weights with the adapter merged in, where they can be built into a graph; else null. Weights of fewer bits
   * are handed in instead, and the adapter beside them: built in, they would be made float32 beforehand.
   */
  private readonly merged: ReadonlyMap<string, Float32Array> | null;
  private readonly options: WeightOptions;

  constructor(device: Device, options: WeightOptions) {
    this.options = options;
    const { weights, adapter, config, lora } = options;
    this.config = config;
    this.lora = lora;
    this.adapter = adapter;
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

  /** Parameters as inputs of a graph, bound by `bound`. */
  inputs(g: Graph): ModelValues {
    const { config, lora, adapter } = this.options;
    return inputModel(g, config, !this.merged && adapter ? lora : null, this.numbers);
  }

  /** The base alone as inputs of a graph, bound by `bound`. */
  baseInputs(g: Graph): ModelValues {
    return inputModel(g, this.config, null, this.numbers);
  }

  /** Parameters for fused layers, built into the graph where that can be: on WASM, inputs are copied with every run. */
  fused(g: Graph): LoopValues {
    const { merged, config } = this;
    if (!merged) {
      const model = this.inputs(g);
      return { model, layers: separateValues(g, config, model) };
    }
    const weight = (name: string) => merged.get(name) ?? new Float32Array(0);
    return { model: constantModel(g, config, weight), layers: joinedValues(g, config, weight) };
  }

  dispose(): void {
    for (const [name, tensor] of Object.entries(this.bound))
      if (!this.options.weights.has(name)) dispose(tensor);
  }
}

/** All weights in host memory, the adapter merged into the projections it targets. */
function mergedWeights({ config, lora, adapter, weights }: WeightOptions): Map<string, Float32Array> {
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
