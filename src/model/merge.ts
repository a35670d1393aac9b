/** Weights with an adapter merged in: W + scale * B A. */
import { isTarget, type LoraModule } from './adapter.ts';
import { mergeLora } from './parameters.ts';

/** What merges an adapter's modules into weights, by the weights' Hugging Face names. */
export function merger(modules: readonly LoraModule[]): (name: string, weight: Float32Array) => Float32Array {
  const byPlace = new Map(modules.map((m) => [`${m.layer} ${m.target}`, m]));
  return (name, weight) => {
    const [, layer = '', target = ''] = /^model\.layers\.(\d+)\.\w+\.(\w+)\.weight$/.exec(name) ?? [];
    const module = isTarget(target) ? byPlace.get(`${layer} ${target}`) : undefined;
    return module ? mergeLora(weight, module.a, module.b, module) : weight;
  };
}
