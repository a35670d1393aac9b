/** A whole model's parameters as values of a graph, for the graphs that run all layers at once. */
import type { Graph, Value } from '../graph/index.ts';
import { type BlockWeights, blockWeights } from './block.ts';
import type { ModelConfig } from './config.ts';
import { denseMatrix, FLOAT32, type Matrix, matrixInput, type Numbers } from './matrix.ts';
import {
  EMBEDDING,
  FINAL_NORM,
  HEAD,
  type LoraConfig,
  layerName,
  layerWeights,
  loraTensors,
  modelWeights,
  unitSize,
} from './parameters.ts';
import { thetaInput, unflatten } from './training-graphs.ts';

/** Parameters of a model as graph values: constants or inputs. */
export interface ModelValues {
  layer(index: number): BlockWeights;
  readonly embedding: Matrix;
  readonly norm: Value;
  readonly head: Matrix;
}

/** Parameters as inputs, under the names of their parts; with `lora` the layers' adapters too, as theta{l}. */
export function inputModel(
  g: Graph,
  c: ModelConfig,
  lora: LoraConfig | null,
  numbers: Numbers = FLOAT32,
): ModelValues {
  const vectors = new Map<string, Value>();
  const matrices = new Map<string, Matrix>();
  for (const weight of modelWeights(c)) {
    const { name, shape } = weight;
    if (shape.length === 2) matrices.set(name, matrixInput(g, numbers, weight));
    else vectors.set(name, g.input(name, 'float32', shape));
  }
  return modelValues(c, vectors, matrices, lora, (l) => {
    const shapes = lora ? loraTensors(c, lora) : [];
    return lora ? unflatten(g, g.input(thetaInput(l), 'float32', [unitSize(shapes)]), shapes) : new Map();
  });
}

/** Parameters built in, from host memory: the fastest on WASM, where inputs are copied on every run. */
export function constantModel(g: Graph, c: ModelConfig, weight: (name: string) => Float32Array): ModelValues {
  const constants = new Map(
    modelWeights(c).map(({ name, shape }) => [name, g.constant(weight(name), shape, name)] as const),
  );
  const matrices = [...constants].filter(([, value]) => value.shape.length === 2);
  return modelValues(
    c,
    constants,
    new Map(matrices.map(([name, value]) => [name, denseMatrix(value)])),
    null,
  );
}

function find<T>(values: ReadonlyMap<string, T>, name: string): T {
  const value = values.get(name);
  if (!value) throw new Error(`internal: no parameter ${name}`);
  return value;
}

function modelValues(
  c: ModelConfig,
  vectors: ReadonlyMap<string, Value>,
  matrices: ReadonlyMap<string, Matrix>,
  lora: LoraConfig | null,
  adapter: (layer: number) => ReadonlyMap<string, Value> = () => new Map(),
): ModelValues {
  const layers = Array.from({ length: c.layers }, (_, l) => {
    const tensors = new Map(adapter(l));
    const own = new Map<string, Matrix>();
    for (const { name, shape } of layerWeights(c)) {
      if (shape.length === 2) own.set(name, find(matrices, layerName(l, name)));
      else tensors.set(name, find(vectors, layerName(l, name)));
    }
    return blockWeights(tensors, lora, own);
  });
  return {
    layer: (index) => {
      const layer = layers[index];
      if (!layer) throw new Error(`internal: no layer ${index}`);
      return layer;
    },
    embedding: find(matrices, EMBEDDING),
    norm: find(vectors, FINAL_NORM),
    head: find(matrices, c.tiedEmbeddings ? EMBEDDING : HEAD),
  };
}
