/** How long a lab will take: amounts of work at guessed or measured speeds, corrected by what pieces have really taken. */
import { type Amount, amountOf, type LabLengths } from './amounts.ts';
import type { LabManifest, PieceKind } from './types.ts';
import { openKey, type Work, type WorkPlan } from './work.ts';

/** Seconds a token, or a text. */
export type Speeds = Readonly<Record<keyof Amount, number>>;

/**
 * A guess from the model's size: on WebAssembly small models compute some 20 thousand million operations a second when
 * rows are many (docs/lab-notes.md), and every token has a cost of its own.
 *
 * @param parameters of the model
 */
export function guessedSpeeds(parameters: number): Speeds {
  const forward = 5e-5 + (2 * parameters) / 2e10;
  return { trained: 3 * forward, sampled: 1.5 * forward, scored: forward, embedded: 5e-4, rewarded: 0.05 };
}

export function secondsOf(amount: Amount, speeds: Speeds): number {
  return (
    amount.trained * speeds.trained +
    amount.sampled * speeds.sampled +
    amount.scored * speeds.scored +
    amount.embedded * speeds.embedded +
    amount.rewarded * speeds.rewarded
  );
}

/** Seconds that a piece takes however little it computes: graphs are made, records stored. */
const LEAST: Readonly<Record<PieceKind, number>> = {
  data: 0.1,
  policy: 1,
  answers: 0.5,
  evaluation: 1,
  reward: 0.1,
  diagnosis: 2,
};

export class Clock {
  /** Seconds by key, at the speeds given. */
  readonly predicted: ReadonlyMap<string, number>;

  constructor(
    private readonly plan: WorkPlan,
    lengths: LabLengths,
    speeds: Speeds,
  ) {
    this.predicted = new Map(
      plan.works.map(
        (work) => [work.key, LEAST[work.kind] + secondsOf(amountOf(work, plan, lengths), speeds)] as const,
      ),
    );
  }

  /**
   * Seconds that each piece takes, done ones as they did.
   *
   * What is not done is predicted, times what done pieces of the same kind and model took over their own predictions;
   * where there are none of the kind, those of all kinds.
   */
  seconds(pieces: LabManifest['pieces']): ReadonlyMap<string, number> {
    const of = new Map<string, { taken: number; predicted: number }>();
    const add = (name: string, taken: number, predicted: number) => {
      const known = of.get(name) ?? { taken: 0, predicted: 0 };
      of.set(name, { taken: known.taken + taken, predicted: known.predicted + predicted });
    };
    for (const work of this.plan.works) {
      const piece = pieces[work.key];
      if (piece?.state !== 'done') continue;
      const predicted = this.predicted.get(work.key) ?? LEAST[work.kind];
      // Reading the data says nothing of how fast the model is.
      if (work.kind !== 'data') add('all', piece.seconds, predicted);
      add(kindOf(work), piece.seconds, predicted);
    }
    const ratio = (name: string) => {
      const { taken, predicted } = of.get(name) ?? of.get('all') ?? { taken: 1, predicted: 1 };
      return taken / predicted;
    };
    return new Map(
      this.plan.works.map((work) => {
        const piece = pieces[work.key];
        const expected = (this.predicted.get(work.key) ?? LEAST[work.kind]) * ratio(kindOf(work));
        return [work.key, piece?.state === 'done' ? piece.seconds : expected] as const;
      }),
    );
  }
}

function kindOf(work: Work): string {
  const stage = work.kind === 'policy' ? work.stage : '';
  return [work.kind, stage, openKey(work.config)].join(' ');
}
