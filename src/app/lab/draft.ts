/** A lab that is being put together: what the form holds, and what it would become. Pure. */
import { gridAxis } from '../../lab/grid-axis.ts';
import { gridPlan, type Plan, type PlanFacts, type PlanId, planOf, together } from '../../lab/plans.ts';
import type { ArmSpec, PlanInfo } from '../../lab/types.ts';
import type { RunConfig } from '../../pipeline/config.ts';

/** A file of other models' answers, as it was read. */
export interface ImportedFile {
  /** The data set that it became. */
  readonly id: string;
  readonly name: string;
  /** Answers a prompt that a plan can count on. */
  readonly answers: number;
  /** What came of it, a sentence each. */
  readonly notes: readonly string[];
}

export interface AxisDraft {
  readonly key: string;
  readonly text: string;
}

export interface Draft {
  /** Empty: named after its plans. */
  readonly name: string;
  readonly plans: readonly PlanId[];
  readonly axes: readonly AxisDraft[];
  readonly seeds: string;
  readonly imported: ImportedFile | null;
  /** Of a stored folder or a hub; empty is none. */
  readonly reward: string;
  /** Per cent of the held-out prompts that are set aside for one last look. */
  readonly finalPercent: string;
}

export const EMPTY_DRAFT: Draft = {
  name: '',
  plans: ['negatives'],
  axes: [],
  seeds: '1, 2, 3',
  imported: null,
  reward: '',
  finalPercent: '0',
};

/** What a draft says, or what is wrong with it. */
export interface Reading {
  readonly plans: readonly PlanInfo[];
  readonly arms: readonly ArmSpec[];
  readonly seeds: readonly number[];
  /** 0..1 */
  readonly finalShare: number;
  readonly faults: Readonly<Partial<Record<Field, string>>>;
}
export type Field = 'plans' | 'grid' | 'seeds' | 'final';

const MOST_SEEDS = 20;
const LARGEST_SEED = 4294967295;

export function readDraft(draft: Draft, config: RunConfig, facts: PlanFacts): Reading {
  const faults: Partial<Record<Field, string>> = {};
  const attempt = <T>(field: Field, work: () => T): T | null => {
    try {
      return work();
    } catch (error) {
      faults[field] ??= error instanceof Error ? error.message : String(error);
      return null;
    }
  };
  const plans: Plan[] = [];
  for (const id of draft.plans) {
    const plan = attempt('plans', () =>
      planOf(id, config, { ...facts, imported: draft.imported?.answers ?? facts.imported }),
    );
    if (plan !== null) plans.push(plan);
  }
  if (draft.axes.length > 0) {
    const grid = attempt('grid', () =>
      gridPlan(
        draft.axes.map(({ key, text }) => gridAxis(key, text, config)),
        config,
      ),
    );
    if (grid !== null) plans.push(grid);
  }
  if (draft.plans.length + draft.axes.length === 0)
    faults.plans = 'Choose a question, or set up a grid of your own.';
  const seeds = attempt('seeds', () => readSeeds(draft.seeds)) ?? [];
  const finalShare = attempt('final', () => readPercent(draft.finalPercent)) ?? 0;
  return { ...together(plans), seeds, finalShare, faults };
}

/** @throws Error in words for who typed it */
export function readSeeds(text: string): number[] {
  const parts = text.split(/[\s,]+/).filter((part) => part !== '');
  const seeds = parts.map(Number);
  const bad = parts.find((_, i) => !isSeed(seeds[i]));
  if (bad !== undefined)
    throw new Error(`${bad} is no seed: whole numbers from 0 to ${LARGEST_SEED}, e.g. 1, 2, 3`);
  if (seeds.length === 0) throw new Error('Give one seed at least, e.g. 1, 2, 3.');
  if (new Set(seeds).size < seeds.length)
    throw new Error('Each seed may be there once: twice the same is no second opinion.');
  if (seeds.length > MOST_SEEDS) throw new Error(`${seeds.length} seeds are more than ${MOST_SEEDS}.`);
  return seeds;
}

const isSeed = (seed: number | undefined): boolean =>
  seed !== undefined && Number.isInteger(seed) && seed >= 0 && seed <= LARGEST_SEED;

function readPercent(text: string): number {
  const value = Number(text.trim().replace(/\s*%$/, '').replace(',', '.'));
  if (text.trim() === '' || !Number.isFinite(value) || value < 0 || value > 90)
    throw new Error('A number from 0 to 90.');
  return value / 100;
}

/** What a lab is called until the user names it. */
export function labName(plans: readonly PlanInfo[], dataset: string): string {
  const titles = plans.map(({ title }) => title);
  const what = titles.length > 2 ? `${titles[0]} and ${titles.length - 1} more` : titles.join(' and ');
  return `${what}, ${dataset}`;
}
