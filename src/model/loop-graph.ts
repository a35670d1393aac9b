/** A slice of rounds in one run, for backends where a loop stays on the device. */
import { Graph } from '../graph/index.ts';
import type { ModelConfig } from './config.ts';
import {
  decodeRound,
  flatState,
  ROUNDS,
  type RoundInputs,
  type RoundShape,
  roundInputs,
  sliceInputs,
  stateInputs,
  stateNames,
} from './decode-round.ts';
import type { SamplingRule } from './draw-token.ts';
import type { ModelValues } from './model-values.ts';

/**
 * Inputs: `trips` int64, the past, the state, and the rounds' inputs [rounds, rows, ...]. Outputs: the state as
 * `..._out`, and tokens and logps [rounds, rows].
 */
export function loopGraph(
  c: ModelConfig,
  s: RoundShape,
  rule: SamplingRule,
  model: (g: Graph) => ModelValues,
): Graph {
  const g = new Graph();
  const values = model(g);
  const past = sliceInputs(g, c);
  const all = roundInputs(g, c, s, [ROUNDS]);
  const state = stateInputs(g, c, s, '');
  const trips = g.input('trips', 'int64', []);
  const goOn = g.input('go_on', 'bool', []);

  const body = new Graph(g);
  const number = body.input('round', 'int64', []);
  const always = body.input('go_on_in', 'bool', []);
  const inner = stateInputs(body, c, s, '_in');
  const round: RoundInputs = {
    u: body.gather(all.u, number),
    masks: new Map([...all.masks].map(([window, mask]) => [window, body.gather(mask, number)])),
    rotations: new Map(
      [...all.rotations].map(([rope, { cos, sin }]) => [
        rope,
        { cos: body.gather(cos, number), sin: body.gather(sin, number) },
      ]),
    ),
  };
  const next = decodeRound(body, c, s, values, past, round, inner, rule);
  const names = stateNames(c);
  body.output('go_on_next', always);
  flatState(next).forEach((value, i) => {
    body.output(`${names[i]}_next`, value);
  });
  body.output('tokens_scan', next.ids);
  body.output('logps_scan', next.logps);

  const carried = flatState(state);
  const results = g.node('Loop', [trips, goOn, ...carried], { body, carried: carried.length });
  [...names.map((name) => `${name}_out`), 'tokens', 'logps'].forEach((name, i) => {
    const value = results[i];
    if (value) g.output(name, value);
  });
  return g;
}
