/** LoRA adapters module by module, as files hold them, and as the one uniform layout that training works on. */
import { type ModelConfig, ModelError } from './config.ts';
import { type LoraConfig, layerName, loraTensors, packUnit, projections, TARGETS } from './parameters.ts';
import type { NamedArray } from './safetensors.ts';

export type Target = (typeof TARGETS)[number];

/** One adapted projection of one layer; what it adds to the weight is scale * B A. */
export interface LoraModule {
  readonly layer: number;
  readonly target: Target;
  readonly rank: number;
  readonly scale: number;
  /** Columns of A and rows of B. */
  readonly in: number;
  readonly out: number;
  /** [rank, in] */
  readonly a: Float32Array;
  /** [out, rank] */
  readonly b: Float32Array;
}

export const isTarget = (name: string): name is Target => TARGETS.some((target) => target === name);

/** An adapter as training has it: one rank and alpha for all, one flat vector a layer. */
export interface UniformAdapter {
  readonly lora: LoraConfig;
  readonly weights: Float32Array[];
}

/** The one LoraConfig that can hold all modules. @throws ModelError where there are none */
export function uniformLora(modules: readonly LoraModule[]): LoraConfig {
  if (modules.length === 0) throw new ModelError('the adapter has no modules');
  const rank = Math.max(...modules.map((m) => m.rank));
  const alpha = nearlyWhole(mostCommon(modules.map((m) => m.scale)) * rank);
  return { rank, alpha, targets: TARGETS.filter((target) => modules.some((m) => m.target === target)) };
}

/**
 * The same adapter under one LoraConfig. Smaller ranks are filled up with zeros, and modules that a layer lacks
 * are all zeros; both get no gradient and so stay what they are in training. Where scales differ, the most common
 * one becomes alpha / rank and the others are multiplied into B: exactly for powers of two, else to one rounding.
 *
 * @throws ModelError where a module does not fit the model
 */
export function uniformAdapter(c: ModelConfig, modules: readonly LoraModule[]): UniformAdapter {
  const lora = uniformLora(modules);
  const { rank } = lora;
  const scale = lora.alpha / rank;
  const sizes = new Map(projections(c).map((p) => [p.target, p]));
  for (const m of modules) checkFit(c, m, sizes.get(m.target));
  const byPlace = new Map(modules.map((m) => [`${m.layer} ${m.target}`, m]));
  const unit = loraTensors(c, lora);
  const weights = Array.from({ length: c.layers }, (_, layer) =>
    packUnit(unit, (name) => {
      const [, target = '', side = ''] = /\.(\w+)\.lora_([AB])\.weight$/.exec(name) ?? [];
      const { in: inner = 0, out = 0 } = sizes.get(target) ?? {};
      const module = byPlace.get(`${layer} ${target}`);
      if (side === 'A') {
        const a = new Float32Array(rank * inner);
        if (module) a.set(module.a);
        return a;
      }
      const b = new Float32Array(out * rank);
      if (module) spread(module, scale, rank, b);
      return b;
    }),
  );
  return { lora, weights };
}

/** B [out, r] into `wide` [out, rank], times what its scale differs from the common one. */
function spread(
  { b, rank, scale, out }: LoraModule,
  common: number,
  wideRank: number,
  wide: Float32Array,
): void {
  const factor = scale / common;
  for (let o = 0; o < out; o++) {
    for (let r = 0; r < rank; r++) wide[o * wideRank + r] = factor * (b[o * rank + r] ?? 0);
  }
}

function checkFit(c: ModelConfig, m: LoraModule, size: { in: number; out: number } | undefined): void {
  const where = `the adapter's ${m.target} of layer ${m.layer}`;
  if (m.layer >= c.layers) throw new ModelError(`${where}: the model has ${c.layers} layers`);
  if (size?.in !== m.in || size.out !== m.out) {
    throw new ModelError(
      `${where} is for a weight of [${m.out}, ${m.in}], but the model's is [${size?.out}, ${size?.in}]`,
    );
  }
}

function mostCommon(values: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  const [best] = [...counts].sort(([, a], [, b]) => b - a);
  return best?.[0] ?? 1;
}

/** An alpha of 16 that came back from a division as 16.000000000000004 is 16. */
function nearlyWhole(x: number): number {
  return Math.abs(x - Math.round(x)) < 1e-9 * Math.abs(x) ? Math.round(x) : x;
}

/** The modules of a uniform adapter; the data are copies. */
export function loraModules(
  c: ModelConfig,
  lora: LoraConfig,
  weights: readonly Float32Array[],
): LoraModule[] {
  const { rank, alpha } = lora;
  const chosen = projections(c).filter(({ target }) => lora.targets.includes(target));
  return weights.flatMap((flat, layer) => {
    let at = 0;
    const take = (count: number) => {
      at += count;
      return flat.slice(at - count, at);
    };
    return chosen.flatMap(({ target, in: inner, out }) => {
      if (!isTarget(target)) return [];
      const [a, b] = [take(rank * inner), take(out * rank)];
      return { layer, target, rank, scale: alpha / rank, in: inner, out, a, b };
    });
  });
}

/** PEFT's prefix of a model's own names. */
export const PEFT_PREFIX = 'base_model.model.';

/** Tensors of a uniform adapter in PEFT's names: base_model.model.model.layers.N.self_attn.q_proj.lora_A.weight. */
export function namedAdapter(
  c: ModelConfig,
  lora: LoraConfig,
  weights: readonly Float32Array[],
): NamedArray[] {
  const paths = new Map<string, string>(projections(c).map(({ target, path }) => [target, path]));
  return loraModules(c, lora, weights).flatMap((m) => {
    const name = (side: string) =>
      `${PEFT_PREFIX}${layerName(m.layer, `${paths.get(m.target)}.lora_${side}.weight`)}`;
    return [
      { name: name('A'), shape: [m.rank, m.in], data: m.a },
      { name: name('B'), shape: [m.out, m.rank], data: m.b },
    ];
  });
}
