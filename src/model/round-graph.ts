/** One round by itself, as its memory is measured. */
import { Graph } from '../graph/index.ts';
import type { ModelConfig } from './config.ts';
import {
  decodeRound,
  flatState,
  maskInputs,
  ROWS,
  type RoundShape,
  sliceInputs,
  stateInputs,
  stateNames,
} from './decode-round.ts';
import type { SamplingRule } from './draw-token.ts';
import type { ModelValues } from './model-values.ts';
import { rotationInputs } from './rotation-inputs.ts';

/** What was drawn is appended to `tokens` and `logps` [drawn, rows], so that it is read back only now and then. */
export function roundGraph(
  c: ModelConfig,
  s: RoundShape,
  rule: SamplingRule,
  model: (g: Graph) => ModelValues,
): Graph {
  const g = new Graph();
  const values = model(g);
  const past = sliceInputs(g, c);
  const round = {
    u: g.input('u', 'float32', [ROWS]),
    masks: maskInputs(g, s, []),
    rotations: rotationInputs(g, c, s.kinds, [ROWS, 1]),
  };
  const next = decodeRound(g, c, s, values, past, round, stateInputs(g, c, s, ''), rule);
  const names = stateNames(c);
  flatState(next).forEach((value, i) => {
    g.output(`${names[i]}_out`, value);
  });
  const one = { tokens: next.ids, logps: next.logps };
  for (const [name, value] of Object.entries(one)) {
    const before = g.input(name, value.dtype, ['drawn', ROWS]);
    g.output(`${name}_out`, g.concat([before, g.reshape(value, [1, ROWS])], 0));
  }
  return g;
}
