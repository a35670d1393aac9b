/** When to kill: seeded moments, spread over all stages. */
import { type Random, stream } from '../../src/model/random.ts';
import type { Stage } from '../../src/pipeline/types.ts';

/** The stages that take time; the others are over before a signal arrives, and are hit now and then all the same. */
export const HIT = ['sft', 'sample', 'filter', 'dpo', 'evaluate'] as const satisfies readonly Stage[];

export interface Kill {
  /** The browser dies this long after the stage has begun (or gone on) in a sitting. */
  readonly stage: Stage;
  /** Share of the stage's time in the uninterrupted run. */
  readonly share: number;
}

/** Kills of one run, in the order of the stages; some stages have none, some two. */
export function killsOfRun(seed: number, run: number): Kill[] {
  const random = stream(seed, 'crash', run);
  const kills = HIT.flatMap((stage) => times(random).map(() => ({ stage, share: random() })));
  // Now and then while the model loads and the data is read.
  return random() < 0.5 ? [{ stage: 'model', share: random() }, ...kills] : kills;
}

const times = (random: Random): undefined[] => {
  const x = random();
  return Array.from({ length: x < 0.15 ? 0 : x < 0.65 ? 1 : 2 });
};
