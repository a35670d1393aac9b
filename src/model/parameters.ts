/**
 * Which parameters a model has, what they are called, and how the trainable ones lie in flat vectors.
 *
 * Trainable parameters are kept as one flat float32 vector a *unit*: a layer, or (in full training) the
 * embedding with the final norm, or an untied head. Optimiser state and gradients are then one vector a unit
 * too, and every layer shares the same compiled programs.
 */
import { type ModelConfig, ModelError } from './config.ts';
import type { Numbers } from './matrix.ts';

export interface ParameterShape {
  readonly name: string;
  readonly shape: readonly number[];
}

export interface LoraConfig {
  readonly rank: number;
  readonly alpha: number;
  readonly targets: readonly string[];
}

/** What is trained: a LoRA adapter on frozen weights (float32 where nothing is said), or everything. */
export type TrainingMode =
  | { readonly kind: 'lora'; readonly lora: LoraConfig; readonly numbers?: Numbers }
  | { readonly kind: 'full' };

export const EMBEDDING = 'model.embed_tokens.weight';
export const FINAL_NORM = 'model.norm.weight';
export const HEAD = 'lm_head.weight';

/** The seven projections of a layer: module path, output and input size. */
export function projections(c: ModelConfig): { target: string; path: string; out: number; in: number }[] {
  const q = c.heads * c.headDim;
  const kv = c.kvHeads * c.headDim;
  return [
    { target: 'q_proj', path: 'self_attn.q_proj', out: q, in: c.hiddenSize },
    { target: 'k_proj', path: 'self_attn.k_proj', out: kv, in: c.hiddenSize },
    { target: 'v_proj', path: 'self_attn.v_proj', out: kv, in: c.hiddenSize },
    { target: 'o_proj', path: 'self_attn.o_proj', out: c.hiddenSize, in: q },
    { target: 'gate_proj', path: 'mlp.gate_proj', out: c.intermediateSize, in: c.hiddenSize },
    { target: 'up_proj', path: 'mlp.up_proj', out: c.intermediateSize, in: c.hiddenSize },
    { target: 'down_proj', path: 'mlp.down_proj', out: c.hiddenSize, in: c.intermediateSize },
  ];
}

export const TARGETS = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'] as const;

/** Whether the projection at `path` has a bias. */
export const hasBias = (c: ModelConfig, path: string): boolean =>
  c.biases.some((target) => path.endsWith(`.${target}`));

/** Weights of one layer, named within it; projections are [out, in] as in Hugging Face files. */
export function layerWeights(c: ModelConfig): ParameterShape[] {
  const norm = (name: string, size = c.hiddenSize) => ({ name: `${name}.weight`, shape: [size] });
  return [
    norm('input_layernorm'),
    norm('post_attention_layernorm'),
    ...(c.postNorms ? [norm('pre_feedforward_layernorm'), norm('post_feedforward_layernorm')] : []),
    ...(c.qkNorm ? [norm('self_attn.q_norm', c.headDim), norm('self_attn.k_norm', c.headDim)] : []),
    ...projections(c).flatMap(({ path, out, in: inner }) => [
      { name: `${path}.weight`, shape: [out, inner] },
      ...(hasBias(c, path) ? [{ name: `${path}.bias`, shape: [out] }] : []),
    ]),
  ];
}

/** Full name of a layer's weight. */
export const layerName = (layer: number, name: string): string => `model.layers.${layer}.${name}`;

/** All weights of a model, in Hugging Face's names. */
export function modelWeights(c: ModelConfig): ParameterShape[] {
  const layers = Array.from({ length: c.layers }, (_, i) =>
    layerWeights(c).map(({ name, shape }) => ({ name: layerName(i, name), shape })),
  );
  return [
    { name: EMBEDDING, shape: [c.vocabSize, c.hiddenSize] },
    ...layers.flat(),
    { name: FINAL_NORM, shape: [c.hiddenSize] },
    ...(c.tiedEmbeddings ? [] : [{ name: HEAD, shape: [c.vocabSize, c.hiddenSize] }]),
  ];
}

export const elements = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** LoRA tensors of one layer, in their order in the layer's flat vector: A [r, in] then B [out, r] a target. */
export function loraTensors(c: ModelConfig, lora: LoraConfig): ParameterShape[] {
  checkLora(lora);
  return projections(c)
    .filter(({ target }) => lora.targets.includes(target))
    .flatMap(({ path, out, in: inner }) => [
      { name: `${path}.lora_A.weight`, shape: [lora.rank, inner] },
      { name: `${path}.lora_B.weight`, shape: [out, lora.rank] },
    ]);
}

/** @throws ModelError for a rank or target that makes no adapter */
export function checkLora(lora: LoraConfig): void {
  if (!Number.isInteger(lora.rank) || lora.rank < 1)
    throw new ModelError(`lora.rank ${lora.rank}: a whole number from 1`);
  const unknown = lora.targets.find((t) => !TARGETS.some((known) => known === t));
  if (unknown !== undefined)
    throw new ModelError(`lora.targets: ${unknown} is not one of ${TARGETS.join(', ')}`);
  if (lora.targets.length === 0) throw new ModelError('lora.targets: name at least one projection');
}

/** Trainable tensors of a layer, in the order of its flat vector. */
export function trainableLayer(c: ModelConfig, mode: TrainingMode): ParameterShape[] {
  return mode.kind === 'lora' ? loraTensors(c, mode.lora) : layerWeights(c);
}

/** Names and shapes of every unit's tensors: the layers first, then in full training the embedding and head. */
export function units(c: ModelConfig, mode: TrainingMode): ParameterShape[][] {
  const layers = Array.from({ length: c.layers }, (_, i) =>
    trainableLayer(c, mode).map(({ name, shape }) => ({ name: layerName(i, name), shape })),
  );
  if (mode.kind === 'lora') return layers;
  const embedding = [
    { name: EMBEDDING, shape: [c.vocabSize, c.hiddenSize] },
    { name: FINAL_NORM, shape: [c.hiddenSize] },
  ];
  return [
    ...layers,
    embedding,
    ...(c.tiedEmbeddings ? [] : [[{ name: HEAD, shape: [c.vocabSize, c.hiddenSize] }]]),
  ];
}

export const unitSize = (unit: readonly ParameterShape[]): number =>
  unit.reduce((sum, { shape }) => sum + elements(shape), 0);

/** Tells graphs of different models and adapters apart. */
export function layoutKey(c: ModelConfig, mode: TrainingMode): string {
  return JSON.stringify([c, mode]);
}

/** A unit's flat vector as named tensors; the data are views into it. */
export function unpackUnit(
  unit: readonly ParameterShape[],
  flat: Float32Array,
): (ParameterShape & { data: Float32Array })[] {
  if (flat.length !== unitSize(unit))
    throw new ModelError(`a vector of ${flat.length} numbers does not hold ${unitSize(unit)} parameters`);
  let offset = 0;
  return unit.map(({ name, shape }) => {
    const data = flat.subarray(offset, offset + elements(shape));
    offset += data.length;
    return { name, shape, data };
  });
}

/** The opposite of `unpackUnit`. */
export function packUnit(
  unit: readonly ParameterShape[],
  tensor: (name: string) => Float32Array,
): Float32Array {
  const flat = new Float32Array(unitSize(unit));
  let offset = 0;
  for (const { name, shape } of unit) {
    const data = tensor(name);
    if (data.length !== elements(shape))
      throw new ModelError(`${name}: ${data.length} numbers where [${shape.join(', ')}] was expected`);
    flat.set(data, offset);
    offset += data.length;
  }
  return flat;
}

/**
 * A fresh adapter: A uniform in +-1/sqrt(in) (Kaiming uniform with a = sqrt 5, as PEFT), B zero.
 *
 * @param random uniform numbers in [0, 1)
 */
export function initialAdapter(c: ModelConfig, lora: LoraConfig, random: () => number): Float32Array[] {
  return units(c, { kind: 'lora', lora }).map((unit) =>
    packUnit(unit, (name) => {
      const shape = unit.find((t) => t.name === name)?.shape ?? [];
      const data = new Float32Array(elements(shape));
      const bound = 1 / Math.sqrt(shape[1] ?? 1);
      return name.endsWith('lora_A.weight') ? data.map(() => (2 * random() - 1) * bound) : data;
    }),
  );
}

/** W + (alpha / r) B A for one projection: [out, in]. */
export function mergeLora(
  weight: Float32Array,
  a: Float32Array,
  b: Float32Array,
  { out, in: inner, rank, scale }: { out: number; in: number; rank: number; scale: number },
): Float32Array {
  const merged = weight.slice();
  for (let o = 0; o < out; o++) {
    for (let r = 0; r < rank; r++) {
      const factor = scale * (b[o * rank + r] ?? 0);
      if (factor === 0) continue;
      for (let i = 0; i < inner; i++)
        merged[o * inner + i] = (merged[o * inner + i] ?? 0) + factor * (a[r * inner + i] ?? 0);
    }
  }
  return merged;
}
