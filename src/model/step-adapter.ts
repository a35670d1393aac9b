/**
 * An adapter as a decoding step on a GPU wants it: projections of one input share the product with their As, and each
 * product with a B adds to the projection at once. Few operators matter more there than the zeros that are multiplied.
 */
import type { Graph, Value } from '../graph/index.ts';
import type { ModelConfig } from './config.ts';
import { type LoraConfig, layerName, projections, units, unpackUnit } from './parameters.ts';

/** Projections of one and the same input. */
const TOGETHER = [
  ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj'],
  ['self_attn.o_proj'],
  ['mlp.gate_proj', 'mlp.up_proj'],
  ['mlp.down_proj'],
];

interface AdapterTensor {
  readonly name: string;
  readonly shape: readonly number[];
}

/** Adapted projections of one input, in order: 'a' [r x paths, in] holds their As one below the other. */
interface Joined {
  readonly a: AdapterTensor;
  /** One a path, [out, r x paths]: its B times the adapter's scale, and 0 where other paths' As are met. */
  readonly b: ReadonlyMap<string, AdapterTensor>;
}

function joined(c: ModelConfig, lora: LoraConfig, layer: number): Joined[] {
  const adapted = projections(c).filter(({ target }) => lora.targets.includes(target));
  return TOGETHER.flatMap((paths) => {
    const members = adapted.filter(({ path }) => paths.includes(path));
    const [first] = members;
    if (!first) return [];
    const ranks = lora.rank * members.length;
    const name = (path: string, part: string) => `adapter${layer}.${path}.${part}`;
    return {
      a: { name: name(first.path, 'a'), shape: [ranks, first.in] },
      b: new Map(members.map(({ path, out }) => [path, { name: name(path, 'b'), shape: [out, ranks] }])),
    };
  });
}

/** The tensors of all layers that `adapterInputs` declares, from one flat vector a layer. */
export function joinAdapter(
  c: ModelConfig,
  lora: LoraConfig,
  adapter: readonly Float32Array[],
): (AdapterTensor & { data: Float32Array })[] {
  const scale = lora.alpha / lora.rank;
  return units(c, { kind: 'lora', lora }).flatMap((unit, layer) => {
    const tensors = new Map(
      unpackUnit(unit, adapter[layer] ?? new Float32Array(0)).map((t) => [t.name, t.data]),
    );
    const part = (path: string, which: 'A' | 'B'): Float32Array => {
      const data = tensors.get(layerName(layer, `${path}.lora_${which}.weight`));
      if (!data) throw new Error(`internal: no adapter of ${path}`);
      return data;
    };
    return joined(c, lora, layer).flatMap(({ a, b }) => {
      const paths = [...b.keys()];
      const as = new Float32Array(a.shape.reduce((x, y) => x * y, 1));
      paths.forEach((path, i) => {
        as.set(part(path, 'A'), (i * as.length) / paths.length);
      });
      const bs = [...b].map(([path, tensor], i) => {
        const [out = 0, ranks = 0] = tensor.shape;
        const data = new Float32Array(out * ranks);
        part(path, 'B').forEach((x, at) => {
          data[Math.floor(at / lora.rank) * ranks + i * lora.rank + (at % lora.rank)] = x * scale;
        });
        return { ...tensor, data };
      });
      return [{ ...a, data: as }, ...bs];
    });
  });
}

/** Adds a layer's adapter to a projection of x: y + x A^T B^T, or y where the path has none. */
export type AddAdapter = (x: Value, path: string, y: Value) => Value;

export function adapterInputs(g: Graph, c: ModelConfig, lora: LoraConfig | null, layer: number): AddAdapter {
  const tensor = ({ name, shape }: AdapterTensor) => g.input(name, 'float32', shape);
  const paths = new Map<string, { a: Value; b: Value }>();
  for (const { a, b } of lora ? joined(c, lora, layer) : []) {
    const together = tensor(a);
    for (const [path, own] of b) paths.set(path, { a: together, b: tensor(own) });
  }
  const met = new Map<Value, Value>();
  return (x, path, y) => {
    const own = paths.get(path);
    if (!own) return y;
    const low = met.get(own.a) ?? g.gemm(x, own.a, { transB: true });
    met.set(own.a, low);
    return g.gemmAdd(low, own.b, y);
  };
}
