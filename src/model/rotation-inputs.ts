/** Rotary tables as inputs of a graph: which there are, and which a layer uses. */
import type { Graph, Shape } from '../graph/index.ts';
import type { Rotation } from './block.ts';
import { type LayerKind, type ModelConfig, ropesOf } from './config.ts';
import { cosInput, sinInput } from './training-graphs.ts';

/** One table each of the ropes in use, by the rope's index: [...shape, headDim / 2]. */
export function rotationInputs(
  g: Graph,
  c: ModelConfig,
  kinds: readonly LayerKind[],
  shape: Shape,
): ReadonlyMap<number, Rotation> {
  const at = [...shape, c.headDim / 2];
  const tables = ropesOf(kinds).map((rope): [number, Rotation] => [
    rope,
    { cos: g.input(cosInput(rope), 'float32', at), sin: g.input(sinInput(rope), 'float32', at) },
  ]);
  return new Map(tables);
}

export function rotationOf(rotations: ReadonlyMap<number, Rotation>, { rope }: LayerKind): Rotation {
  const rotation = rotations.get(rope);
  if (!rotation) throw new Error(`internal: no rotary table ${rope}`);
  return rotation;
}
