/** Paired comparisons between arms of a lab, and the sentences that tell them. */
import { differenceUnit, gainText, MEASURE_INFO, withInterval } from './measures.ts';
import { bootstrapGain, seedMeans, share, type Values } from './stats/index.ts';
import { figureOf } from './summary-values.ts';
import type { ArmRow, ArmSpec, Figure, Finding, Measure, PlanInfo } from './types.ts';

export interface FindingsInput {
  readonly plans: readonly PlanInfo[];
  /** All arms of the lab; values of the main measure, absent before there are any. */
  readonly arms: readonly { readonly spec: ArmSpec; readonly values?: Values }[];
  readonly states: ReadonlyMap<string, Pick<ArmRow, 'state' | 'error'>>;
  readonly measure: Measure;
  /** Id of the arm that all are compared with. */
  readonly reference: string;
}

/** An arm that has figures. */
export interface Known {
  readonly id: string;
  readonly name: string;
  readonly spec: ArmSpec;
  readonly values: Values;
  readonly figure: Figure;
}

export class Evidence {
  readonly measure: Measure;
  readonly reference: string;
  readonly #input: FindingsInput;
  readonly #known = new Map<string, Known>();

  constructor(input: FindingsInput) {
    this.#input = input;
    this.measure = input.measure;
    this.reference = input.reference;
    for (const { spec, values } of input.arms) {
      if (!values?.some((row) => row.some((x) => x !== null))) continue;
      const { id, name } = spec;
      this.#known.set(id, { id, name, spec, values, figure: figureOf(values, input.measure) });
    }
  }

  /** The plan's arms in order, whether or not they have figures. */
  specsOf(plan: PlanInfo): ArmSpec[] {
    const byId = new Map(this.#input.arms.map(({ spec }) => [spec.id, spec] as const));
    return plan.arms.flatMap((id) => byId.get(id) ?? []);
  }

  known(id: string | undefined): Known | undefined {
    return id === undefined ? undefined : this.#known.get(id);
  }

  /** Whether `better` beats `worse`, told with both figures and their paired difference. */
  beats(plan: PlanInfo, claim: string, better: ArmSpec, worse: ArmSpec): Finding {
    const [ours, theirs] = [this.known(better.id), this.known(worse.id)];
    if (!ours || !theirs || !share(ours.values, theirs.values)) {
      return this.unknown(plan, claim, [better, worse]);
    }
    const gain = bootstrapGain(ours.values, theirs.values);
    const text = `${this.told(ours)}; ${this.told(theirs)}. ${this.paired(gain)}${this.agreement(ours, theirs, gain)}.`;
    return { plan: plan.id, claim, verdict: verdictOf(gain), text };
  }

  /** Why nothing can be said, where arms have no figures in common. */
  unknown(plan: PlanInfo, claim: string, arms: readonly ArmSpec[]): Finding {
    const reasons = arms.flatMap(({ id, name }) => {
      if (this.known(id)) return [];
      const { state, error } = this.#input.states.get(id) ?? { state: 'waiting' };
      if (state === 'failed') return [`${name} has failed${error ? ` (${error})` : ''}`];
      if (state !== 'done') return [`${name} has no figures yet`];
      return [`${name} has answers, but nothing to tell ${MEASURE_INFO[this.measure].label} by`];
    });
    const text =
      reasons.length > 0
        ? `Not known: ${reasons.join('; ')}.`
        : 'Not known: there is no seed with figures of both.';
    return { plan: plan.id, claim, verdict: 'unclear', text };
  }

  /** 'k = 8: 64.2 % (58.0 to 70.1)'. */
  told({ name, figure }: Known): string {
    return `${name}: ${withInterval(this.measure, figure)}`;
  }

  /** 'Paired difference in correct answers +4.2 points (+0.9 to +7.4), 150 prompts, 3 seeds'. */
  paired(gain: Figure): string {
    return `Paired difference in ${MEASURE_INFO[this.measure].label} ${gainText(this.measure, gain)}, ${countText(gain)}`;
  }

  gain(gain: Figure): string {
    return gainText(this.measure, gain);
  }

  unit(): string {
    return differenceUnit(this.measure);
  }

  /** In how many seeds the difference has the sign of the whole. */
  agreement(ours: Known, theirs: Known, { value, seeds }: Figure): string {
    if (seeds < 2) return '; one seed cannot tell how much training differs from seed to seed';
    if (value === 0) return '';
    const gains = seedMeans(combined([ours.values, theirs.values], [1, -1])).filter((x) => x !== null);
    const agree = gains.filter((x) => Math.sign(x) === Math.sign(value)).length;
    return `, of this sign in ${agree === gains.length ? 'all of them' : `${agree} of them`}`;
  }
}

/** With fewer prompts even a difference of the same sign in each of them is chance too often (sign test, 2.5 % a side). */
const FEWEST = 6;

/** 'holds' where the whole interval is above zero, 'fails' where it is below. */
export function verdictOf({ low, high, n }: Pick<Figure, 'low' | 'high' | 'n'>): Finding['verdict'] {
  if (n < FEWEST) return 'unclear';
  return low > 0 ? 'holds' : high < 0 ? 'fails' : 'unclear';
}

/** '150 prompts, 3 seeds'. */
export function countText({ n, seeds }: Pick<Figure, 'n' | 'seeds'>): string {
  const few = n < FEWEST ? ' (too few to tell)' : '';
  return `${n} prompt${n === 1 ? '' : 's'}${few}, ${seeds} seed${seeds === 1 ? '' : 's'}`;
}

/** Weighted sum by seed and prompt; null where any of them is missing. */
export function combined(tables: readonly Values[], weights: readonly number[]): Values {
  const [first = []] = tables;
  return first.map((row, s) =>
    row.map((_, p) => {
      let sum = 0;
      for (const [i, table] of tables.entries()) {
        const value = table[s]?.[p] ?? null;
        if (value === null) return null;
        sum += (weights[i] ?? 0) * value;
      }
      return sum;
    }),
  );
}
