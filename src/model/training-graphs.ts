/** Segments of layers, forward and back, and the names by which a training step's inputs go. */
import { backward, Graph, savedValues, type Value } from '../graph/index.ts';
import { liveValues } from '../graph/live.ts';
import {
  type BlockWeights,
  blockWeights,
  decoderLayer,
  type Geometry,
  groupAttention,
  layerParts,
  maskShape,
  rowTotal,
} from './block.ts';
import { type LayerKind, type ModelConfig, ropesOf, windowsOf } from './config.ts';
import { FLOAT32, type Matrix, matrixInput } from './matrix.ts';
import {
  elements,
  layerWeights,
  type ParameterShape,
  type TrainingMode,
  trainableLayer,
  unitSize,
} from './parameters.ts';

/** Names of a segment's per-layer inputs: frozen weights, the trainable vector, the gradient sum. */
export const frozenInput = (slot: number, name: string): string => `w${slot}.${name}`;
export const thetaInput = (slot: number): string => `theta${slot}`;
export const gradientSum = (slot: number): string => `sum${slot}`;
/** Names of a micro-batch's inputs that layers of one kind share. */
export const cosInput = (rope: number): string => `cos${rope}`;
export const sinInput = (rope: number): string => `sin${rope}`;
export const maskInput = (window: number | null): string => `mask${window ?? ''}`;

/** Tells segments apart whose layers are of other kinds. */
export const kindsKey = (kinds: readonly LayerKind[]): string =>
  kinds.map(({ rope, window }) => `${rope}${window === null ? '' : `w${window}`}`).join();

/** Cuts a flat vector into its tensors. */
export function unflatten(g: Graph, flat: Value, tensors: readonly ParameterShape[]): Map<string, Value> {
  const parts = g.split(
    flat,
    0,
    tensors.map(({ shape }) => elements(shape)),
  );
  return new Map(
    tensors.map(({ name, shape }, i) => {
      const part = parts[i];
      if (!part) throw new Error('internal: fewer parts than tensors');
      return [name, g.reshape(part, shape)];
    }),
  );
}

function layerInputs(
  g: Graph,
  c: ModelConfig,
  mode: TrainingMode,
  slot: number,
): { weights: BlockWeights; theta: Value } {
  const trainable = trainableLayer(c, mode);
  const theta = g.input(thetaInput(slot), 'float32', [unitSize(trainable)]);
  const tensors = unflatten(g, theta, trainable);
  if (mode.kind === 'full') return { weights: blockWeights(tensors, null), theta };
  const prefix = frozenInput(slot, '');
  const matrices = new Map<string, Matrix>();
  for (const weight of layerWeights(c)) {
    const { name, shape } = weight;
    if (shape.length === 2) matrices.set(name, matrixInput(g, mode.numbers ?? FLOAT32, weight, prefix));
    else tensors.set(name, g.input(prefix + name, 'float32', shape));
  }
  return { weights: blockWeights(tensors, mode.lora, matrices), theta };
}

export interface SegmentGraphs {
  /** x -> y, and what the backward graph wants kept, as 'keep.NAME' each. */
  readonly forward: Graph;
  /** dy, the kept values (as NAME) and the gradient sums -> dx (if wanted) and the new sums. */
  readonly backward: Graph;
}

const KEEP = 'keep.';

/** The forward graph's kept outputs under the names by which the backward graph takes them. */
export function renameSaved<T>(outputs: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(outputs).map(([name, value]) => [name.slice(KEEP.length), value]));
}

/** Inputs of a micro-batch that the layers share, by the rope and window of their kind. */
function positionInputs(g: Graph, c: ModelConfig, s: Geometry, kinds: readonly LayerKind[]) {
  const angles = [rowTotal(s), 1, c.headDim / 2];
  return {
    rotations: new Map(
      ropesOf(kinds).map((rope) => [
        rope,
        { cos: g.input(cosInput(rope), 'float32', angles), sin: g.input(sinInput(rope), 'float32', angles) },
      ]),
    ),
    masks: new Map(
      windowsOf(kinds).map((window) => [window, g.input(maskInput(window), 'float32', maskShape(s))]),
    ),
  };
}

function segmentForward(c: ModelConfig, mode: TrainingMode, s: Geometry, kinds: readonly LayerKind[]) {
  const g = new Graph();
  const x = g.input('x', 'float32', [rowTotal(s), c.hiddenSize]);
  const { rotations, masks } = positionInputs(g, c, s, kinds);
  const thetas: Value[] = [];
  let y = x;
  kinds.forEach((kind, slot) => {
    const { weights, theta } = layerInputs(g, c, mode, slot);
    thetas.push(theta);
    const rotation = rotations.get(kind.rope);
    const mask = masks.get(kind.window);
    if (!rotation || !mask) throw new Error('internal: no positions for this kind of layer');
    y = decoderLayer(g, c, y, rotation, layerParts(g, c, weights), (heads) =>
      groupAttention(g, c, s, kind, heads, mask),
    );
  });
  return { g, x, y, thetas };
}

/** Forward only, for scoring: x -> y. */
export function scoringGraph(
  c: ModelConfig,
  mode: TrainingMode,
  s: Geometry,
  kinds: readonly LayerKind[],
): Graph {
  const { g, y } = segmentForward(c, mode, s, kinds);
  return g.view(g.inputs, { y });
}

/**
 * Consecutive layers of the given kinds as a forward and a backward graph.
 *
 * @param keep keep matrix products for the backward pass, or compute everything again from x
 * @param wantDx whether anything below the segment is trained
 */
export function segmentGraphs(
  c: ModelConfig,
  mode: TrainingMode,
  s: Geometry,
  kinds: readonly LayerKind[],
  { keep, wantDx }: { keep: boolean; wantDx: boolean },
): SegmentGraphs {
  const { g, x, y, thetas } = segmentForward(c, mode, s, kinds);
  const forwardInputs = [...g.inputs];
  const forwardCount = g.nodes.length;
  const dy = g.input('dy', 'float32', y.shape);
  const wrt = wantDx ? [...thetas, x] : thetas;
  const gradients = backward(g, [y], [dy], wrt);
  const results: Record<string, Value> = {};
  const sums: Value[] = [];
  thetas.forEach((theta, slot) => {
    const sum = g.input(gradientSum(slot), 'float32', theta.shape);
    const gradient = gradients[slot];
    if (!gradient) throw new Error('internal: no gradient');
    sums.push(sum);
    results[`${gradientSum(slot)}_out`] = g.add(sum, gradient);
  });
  const dx = gradients[thetas.length];
  if (wantDx && dx) results.dx = dx;
  const saved = keep ? savedValues(g, forwardCount, Object.values(results)) : [];
  const back = g.view([...forwardInputs, dy, ...sums, ...saved], results);
  const used = liveValues(back);
  return {
    forward: g.view(forwardInputs, { y, ...Object.fromEntries(saved.map((v) => [KEEP + v.name, v])) }),
    backward: g.view(
      back.inputs.filter((v) => used.has(v)),
      results,
    ),
  };
}
