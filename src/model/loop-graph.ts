/** A slice of rounds in one run, for backends where a loop stays on the device. */
import { Graph, type Value } from '../graph/index.ts';
import { embed } from './block.ts';
import { kindOf, type ModelConfig, ropesOf } from './config.ts';
import {
  flatState,
  maskInputs,
  ROUNDS,
  ROWS,
  type RoundShape,
  type RoundState,
  recentAndPast,
  rowAttention,
  sliceInputs,
  stateInputs,
  stateNames,
} from './decode-round.ts';
import { drawToken, type SamplingRule } from './draw-token.ts';
import { type FusedValues, fusedLayers, type Rotary } from './fused-layers.ts';
import type { ModelValues } from './model-values.ts';
import { cosInput, sinInput } from './training-graphs.ts';

/** A model's parameters, and its layers' as the fused operators take them. */
export interface LoopValues {
  readonly model: ModelValues;
  readonly layers: FusedValues;
}

export const POSITIONS = 'positions';

/**
 * Inputs: `trips` int64, the past, the state, masks and u by round, `positions` [rounds, rows, 1] int64, and rotary
 * tables by position. Outputs: the state as `..._out`, and tokens and logps [rounds, rows].
 */
export function loopGraph(
  c: ModelConfig,
  s: RoundShape,
  rule: SamplingRule,
  parameters: (g: Graph) => LoopValues,
): Graph {
  const g = new Graph();
  const { model, layers } = parameters(g);
  const past = sliceInputs(g, c);
  const masks = maskInputs(g, s, [ROUNDS]);
  const u = g.input('u', 'float32', [ROUNDS, ROWS]);
  const positions = g.input(POSITIONS, 'int64', [ROUNDS, ROWS, 1]);
  const table = (name: string) => g.input(name, 'float32', ['room', c.headDim / 2]);
  const tables = new Map(
    ropesOf(s.kinds).map((rope) => [rope, { cos: table(cosInput(rope)), sin: table(sinInput(rope)) }]),
  );
  const state = stateInputs(g, c, s, '');
  const trips = g.input('trips', 'int64', []);
  const goOn = g.input('go_on', 'bool', []);

  const body = new Graph(g);
  const number = body.input('round', 'int64', []);
  const always = body.input('go_on_in', 'bool', []);
  const inner = stateInputs(body, c, s, '_in');
  const here = { positions: body.gather(positions, number) };
  const seen = new Map([...masks].map(([window, mask]) => [window, body.gather(mask, number)]));
  const keys: Value[] = [];
  const values: Value[] = [];
  const rotary = (layer: number): Rotary => {
    const found = tables.get(kindOf(s.kinds, layer).rope);
    if (!found) throw new Error(`internal: no rotary table of layer ${layer}`);
    return { ...here, ...found };
  };
  const x = embed(body, c, model.embedding, inner.ids);
  const h = fusedLayers(body, c, layers, x, rotary, (layer, q, k, v) => {
    const cache = recentAndPast(body, c, s, { layer, past, state: inner, masks: seen, k, v });
    keys.push(cache.keys);
    values.push(cache.values);
    return rowAttention(body, c, q, cache);
  });
  const drawn = drawToken(body, c, model.head.times(body, h), body.gather(u, number), rule);
  const next: RoundState = { ids: drawn.ids, keys, values };
  const names = stateNames(c);
  body.output('go_on_next', always);
  flatState(next).forEach((value, i) => {
    body.output(`${names[i]}_next`, value);
  });
  body.output('tokens_scan', drawn.ids);
  body.output('logps_scan', drawn.logps);

  const carried = flatState(state);
  const results = g.node('Loop', [trips, goOn, ...carried], { body, carried: carried.length });
  [...names.map((name) => `${name}_out`), 'tokens', 'logps'].forEach((name, i) => {
    const value = results[i];
    if (value) g.output(name, value);
  });
  return g;
}
