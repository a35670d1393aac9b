/** A slice of rounds in one run, for backends where a loop stays on the device. */
import { Graph, type Value } from '../graph/index.ts';
import { embed } from './block.ts';
import { kindOf, type ModelConfig, ropesOf } from './config.ts';
import {
  flatState,
  ROUNDS,
  ROWS,
  type RoundShape,
  type RoundState,
  roundSizes,
  rowAttention,
  type SliceValues,
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

/** What a slice brings along: the model, what rows see, and of all rounds what is known beforehand. */
interface SliceParts {
  readonly parameters: LoopValues;
  readonly past: SliceValues;
  /** [rounds, rows] */
  readonly u: Value;
  /** [rounds, rows, 1] int64 */
  readonly positions: Value;
  /** By rope, [places, headDim / 2]. */
  readonly tables: ReadonlyMap<number, { readonly cos: Value; readonly sin: Value }>;
}

function sliceParts(g: Graph, c: ModelConfig, s: RoundShape, parameters: LoopValues): SliceParts {
  const table = (name: string) => g.input(name, 'float32', ['places', c.headDim / 2]);
  const tables = ropesOf(s.kinds).map(
    (rope) => [rope, { cos: table(cosInput(rope)), sin: table(sinInput(rope)) }] as const,
  );
  return {
    parameters,
    past: sliceInputs(g, c, s),
    u: g.input('u', 'float32', [ROUNDS, ROWS]),
    positions: g.input(POSITIONS, 'int64', [ROUNDS, ROWS, 1]),
    tables: new Map(tables),
  };
}

/** One round: the token after `state.ids` for every row, and its log-probability. */
function decodeRound(
  g: Graph,
  c: ModelConfig,
  s: RoundShape,
  { parameters, past, u, positions, tables }: SliceParts,
  state: RoundState,
  round: Value,
  rule: SamplingRule,
): RoundState & { readonly logps: Value } {
  const { model, layers } = parameters;
  const sizes = roundSizes(g, past, round);
  const here = g.gather(positions, round);
  const rotary = (layer: number): Rotary => {
    const found = tables.get(kindOf(s.kinds, layer).rope);
    if (!found) throw new Error(`internal: no rotary table of layer ${layer}`);
    return { positions: here, ...found };
  };
  const keys: Value[] = [];
  const values: Value[] = [];
  const h = fusedLayers(g, c, layers, embed(g, c, model.embedding, state.ids), rotary, (layer, heads) => {
    const attended = rowAttention(g, c, s, { layer, past, state, sizes }, heads);
    keys.push(attended.keys);
    values.push(attended.values);
    return attended.out;
  });
  return { ...drawToken(g, c, model.head.times(g, h), g.gather(u, round), rule), keys, values };
}

/**
 * Inputs: `trips` int64, what `sliceParts` names, and the state. Outputs: the state as `..._out`, and tokens and logps
 * [rounds, rows].
 */
export function loopGraph(
  c: ModelConfig,
  s: RoundShape,
  rule: SamplingRule,
  parameters: (g: Graph) => LoopValues,
): Graph {
  const g = new Graph();
  const parts = sliceParts(g, c, s, parameters(g));
  const carried = flatState(stateInputs(g, c, ''));
  const trips = g.input('trips', 'int64', []);
  const goOn = g.input('go_on', 'bool', []);

  const body = new Graph(g);
  const round = body.input('round', 'int64', []);
  const always = body.input('go_on_in', 'bool', []);
  const next = decodeRound(body, c, s, parts, stateInputs(body, c, '_in'), round, rule);
  const names = stateNames(c);
  body.output('go_on_next', always);
  flatState(next).forEach((value, i) => {
    body.output(`${names[i]}_next`, value);
  });
  body.output('tokens_scan', next.ids);
  body.output('logps_scan', next.logps);

  const results = g.node('Loop', [trips, goOn, ...carried], { body, carried: carried.length });
  [...names.map((name) => `${name}_out`), 'tokens', 'logps'].forEach((name, i) => {
    const value = results[i];
    if (value) g.output(name, value);
  });
  return g;
}

/** One round by itself, as its memory is measured. */
export function roundGraph(
  c: ModelConfig,
  s: RoundShape,
  rule: SamplingRule,
  parameters: (g: Graph) => LoopValues,
): Graph {
  const g = new Graph();
  const parts = sliceParts(g, c, s, parameters(g));
  const round = g.input('round', 'int64', []);
  const next = decodeRound(g, c, s, parts, stateInputs(g, c, ''), round, rule);
  [...flatState(next), next.logps].forEach((value, i) => {
    g.output(`out${i}`, value);
  });
  return g;
}
