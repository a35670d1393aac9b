/**
 * The plans: which arms to compare. Each is a few lines over the same two building blocks, SFT and DPO, so that all of
 * them run on one engine and arms of several plans that are the same arm are one.
 */
import {
  ConfigError,
  type ConfigKey,
  DEFAULT_CONFIG,
  type FilterConfig,
  type RunConfig,
  setKey,
} from '../pipeline/config.ts';
import type { ArmSpec, NegativesSpec, Overrides, PlanInfo, PolicySpec, TrainedSpec } from './types.ts';

export const PLAN_IDS = ['negatives', 'filter', 'threshold', 'baselines', 'sources'] as const;
export type PlanId = (typeof PLAN_IDS)[number];

/** Values to try of one setting; several axes are every combination. */
export interface GridAxis {
  readonly key: ConfigKey;
  readonly values: readonly (string | number | readonly string[])[];
}

export interface Plan {
  readonly info: PlanInfo;
  readonly arms: readonly ArmSpec[];
}

const BASE: ArmSpec = { id: 'base', name: 'base model', policy: { kind: 'base' } };
const SFT_POLICY: TrainedSpec = { kind: 'sft' };
const SFT: ArmSpec = { id: 'sft', name: 'SFT', policy: SFT_POLICY };

/** Negatives tried by the paper's sweep. */
const SWEEP = [1, 2, 4, 8, 16];
const PERCENTS = [100, 75, 50, 25];

function dpo(
  set: Overrides,
  negatives: NegativesSpec = { source: 'own' },
  from: TrainedSpec = SFT_POLICY,
): TrainedSpec {
  return { kind: 'dpo', from, negatives, set };
}

/** Self-Contrast as the lab's settings have it. */
const SELF_CONTRAST_POLICY = dpo({});
const SELF_CONTRAST: ArmSpec = { id: 'self-contrast', name: 'Self-Contrast', policy: SELF_CONTRAST_POLICY };

/** k = 1 to 16 on the same prompts (those that have 16), so for the same number of optimiser steps. */
function negativesPlan(config: RunConfig): Plan {
  const sweep = SWEEP.filter((k) => k <= config.sample.n);
  const needs = { filter: config.filter, atLeast: Math.max(...sweep) };
  const arms = sweep.map(
    (k): ArmSpec => ({
      id: `k${k}`,
      name: `k = ${k}`,
      policy: dpo({ 'dpo.negatives': k }, { source: 'own', needs }),
      points: [{ plan: 'negatives', x: k }],
    }),
  );
  return {
    info: {
      id: 'negatives',
      title: 'Number of negatives',
      question: 'Do more negatives help?',
      claim: 'More negatives help, up to 16.',
      arms: ['sft', ...arms.map(({ id }) => id)],
      axis: 'negatives a prompt (k)',
    },
    arms: [SFT, ...arms],
  };
}

/** Unfiltered is a% = 100; lastdedup at 100 % would still leave the most similar one out. */
const filterAt = (percent: number): FilterConfig =>
  percent === 100 ? { mode: 'alldedup', percent: 100 } : { mode: 'lastdedup', percent };

const filterSet = ({ mode, percent }: FilterConfig): Overrides => ({
  'filter.mode': mode,
  'filter.percent': percent,
});

/** The smallest of `percents` whose pool of n answers still holds k. */
function narrowest(config: RunConfig, percents: readonly number[]): number {
  const { sample, dpo: settings } = config;
  const room = percents.filter((p) => Math.floor((sample.n * p) / 100) >= settings.negatives);
  return Math.min(100, ...room);
}

/** Least similar, random and most similar answers, equally many, on the same prompts. */
function filterPlan(config: RunConfig): Plan {
  const percent = narrowest(config, PERCENTS);
  const filter = filterAt(percent);
  const needs = { filter, atLeast: config.dpo.negatives };
  const named = [
    ['least', `least similar ${percent} %`],
    ['random', `random, as many`],
    ['most', `most similar, as many`],
  ] as const;
  const arms = named.map(
    ([select, name]): ArmSpec => ({
      id: `filter-${select}`,
      name,
      policy: dpo(filterSet(filter), {
        source: 'own',
        // As the threshold's plan has it, whose arm this one is.
        ...(select !== 'least' && { select }),
        needs,
      }),
    }),
  );
  return {
    info: {
      id: 'filter',
      title: 'Similarity filter',
      question: 'Does leaving out the answers most similar to the target beat leaving out any?',
      claim: 'Filtering by similarity beats random answers.',
      arms: ['sft', ...arms.map(({ id }) => id)],
    },
    arms: [SFT, ...arms],
  };
}

function thresholdPlan(config: RunConfig): Plan {
  const least = narrowest(config, PERCENTS);
  const needs = { filter: filterAt(least), atLeast: config.dpo.negatives };
  const arms = PERCENTS.filter((percent) => percent >= least).map(
    (percent): ArmSpec => ({
      id: `a${percent}`,
      name: `a = ${percent} %`,
      policy: dpo(filterSet(filterAt(percent)), { source: 'own', needs }),
      points: [{ plan: 'threshold', x: percent }],
    }),
  );
  return {
    info: {
      id: 'threshold',
      title: 'Filter threshold',
      question: 'How many of the least similar answers should be kept?',
      claim: 'There is a best a% between keeping all and keeping few.',
      arms: ['sft', ...arms.map(({ id }) => id)],
      axis: 'share of answers kept (a%)',
    },
    arms: [SFT, ...arms],
  };
}

/** How often SPIN and iterated Self-Contrast go round. */
const ROUNDS = 3;

/** `rounds` times DPO, each from the last one's policy, with fresh samples of it. */
function rounds(count: number, set: Overrides): TrainedSpec {
  let policy = SFT_POLICY;
  for (let i = 0; i < count; i++) policy = dpo(set, { source: 'own' }, policy);
  return policy;
}

function baselinesPlan(hasRejected: boolean): Plan {
  // SPIN (arXiv 2401.01335): one own answer a prompt, unfiltered.
  const spin: Overrides = { 'sample.n': 1, 'dpo.negatives': 1, 'filter.mode': 'all' };
  const arms: ArmSpec[] = [
    SFT,
    BASE,
    {
      id: 'sft-long',
      name: 'SFT, equal compute',
      policy: { kind: 'sft', compute: { as: SELF_CONTRAST_POLICY } },
    },
    ...(hasRejected
      ? [
          {
            id: 'dpo-rejected',
            name: "DPO, the data's own rejected answers",
            // All of them, however few: a filter by similarity is Self-Contrast's, not DPO's.
            policy: dpo({ 'dpo.negatives': 1, 'filter.mode': 'alldedup' }, { source: 'rejected' }),
          },
        ]
      : []),
    ...[1, 2, ROUNDS].map(
      (n): ArmSpec => ({
        id: `spin-${n}`,
        name: `SPIN, ${n === 1 ? '1 iteration' : `${n} iterations`}`,
        policy: rounds(n, spin),
      }),
    ),
    SELF_CONTRAST,
    { id: 'self-contrast-2', name: 'Self-Contrast, 2 iterations', policy: rounds(2, {}) },
  ];
  return {
    info: {
      id: 'baselines',
      title: 'Baselines',
      question: 'Does Self-Contrast beat what one would do without it?',
      claim: 'Self-Contrast beats SFT, SPIN and DPO on the data set’s own rejected answers.',
      arms: arms.map(({ id }) => id),
    },
    arms,
  };
}

/** Answers of a pool of `n` different ones that the filter leaves: see src/pipeline/filter.ts. */
function poolSize({ mode, percent }: FilterConfig, n: number): number {
  const share = Math.floor((n * percent) / 100);
  return mode === 'last' ? share : mode === 'lastdedup' ? Math.min(share, n - 1) : n;
}

/**
 * Own answers against those of other models, with as many negatives as both have. Both are filtered alike: not at all
 * where the others' answers are too few for that.
 */
function sourcesPlan(config: RunConfig, imported: number): Plan {
  const pool = poolSize(config.filter, imported);
  const k = Math.max(1, Math.min(config.dpo.negatives, pool > 0 ? pool : imported));
  const set: Overrides = { 'dpo.negatives': k, ...(pool === 0 && { 'filter.mode': 'alldedup' }) };
  const arms: ArmSpec[] = [
    SFT,
    { id: 'own', name: `own answers, k = ${k}`, policy: dpo(set) },
    { id: 'imported', name: `other models’ answers, k = ${k}`, policy: dpo(set, { source: 'imported' }) },
  ];
  return {
    info: {
      id: 'sources',
      title: 'Whose negatives',
      question: 'Are a model’s own answers better negatives than those of other models?',
      claim: 'A model’s own outputs make better negatives than other models’ outputs.',
      arms: arms.map(({ id }) => id),
    },
    arms,
  };
}

export interface PlanFacts {
  /** Whether the data set brings rejected answers. */
  readonly hasRejected: boolean;
  /** Answers a prompt that nine in ten of the imported file's prompts have (imported.ts); 0 without a file. */
  readonly imported: number;
}

/**
 * The settings that the built-in plans start from: as many samples as the paper (32), which 16 negatives need. Settings
 * of one's own stay, but for fewer samples than the plan can do with.
 */
export function labConfig(config: RunConfig, embedded = false): RunConfig {
  const enough = config.sample.n >= 32 ? config : setKey(config, 'sample.n', '32');
  return embedded ? quickly(enough) : enough;
}

/**
 * On the embedded data a plan should take minutes: fewer prompts, and as many optimiser steps of them as a run has with
 * all. Settings that were changed stay.
 */
function quickly(config: RunConfig): RunConfig {
  const { data, sft, dpo: settings } = DEFAULT_CONFIG;
  return {
    ...config,
    data: config.data.limit === data.limit ? { ...config.data, limit: 600 } : config.data,
    sft: config.sft.batch === sft.batch ? { ...config.sft, batch: 8 } : config.sft,
    dpo: config.dpo.batch === settings.batch ? { ...config.dpo, batch: 8 } : config.dpo,
  };
}

/** @throws ConfigError where the data lack what the plan needs */
export function planOf(id: PlanId, config: RunConfig, facts: PlanFacts): Plan {
  switch (id) {
    case 'negatives':
      return negativesPlan(config);
    case 'filter':
      return filterPlan(config);
    case 'threshold':
      return thresholdPlan(config);
    case 'baselines':
      return baselinesPlan(facts.hasRejected);
    case 'sources':
      if (facts.imported === 0) {
        throw new ConfigError(
          'the plan "sources" compares with answers of other models: give a file of them (rows of prompt and answers)',
        );
      }
      return sourcesPlan(config, facts.imported);
  }
}

/** Most arms that a grid may have: a slip of the hand would ask for months. */
const MOST_ARMS = 64;

/** Self-Contrast at every combination of the values. */
export function gridPlan(axes: readonly GridAxis[], config: RunConfig): Plan {
  const count = axes.reduce((product, { values }) => product * values.length, 1);
  if (axes.length === 0 || count < 2)
    throw new ConfigError('a grid needs a setting with two values at least');
  if (count > MOST_ARMS) throw new ConfigError(`a grid of ${count} arms is more than ${MOST_ARMS}`);
  const combinations = axes.reduce<Overrides[]>(
    (sets, { key, values }) => sets.flatMap((set) => values.map((value) => ({ ...set, [key]: value }))),
    [{}],
  );
  const one = axes.length === 1 ? axes[0] : undefined;
  const arms = combinations.map((set, i): ArmSpec => {
    // Settings are checked here, not hours later.
    for (const [key, value] of Object.entries(set)) setKey(config, key, String(value));
    const x = one && Object.values(set)[0];
    return {
      id: `grid-${i + 1}`,
      name: Object.entries(set)
        .map(([key, value]) => `${key} = ${value}`)
        .join(', '),
      policy: { kind: 'dpo', from: { kind: 'sft', set }, negatives: { source: 'own' }, set },
      ...(typeof x === 'number' && { points: [{ plan: 'grid', x }] }),
    };
  });
  return {
    info: {
      id: 'grid',
      title: 'Grid',
      question: `Which ${axes.map(({ key }) => key).join(' and ')} is best?`,
      arms: ['sft', ...arms.map(({ id }) => id)],
      ...(one && { axis: one.key }),
    },
    arms: [SFT, ...arms],
  };
}

/** All arms of several plans, each once: arms with the same policy are one, and stand on all their curves. */
export function together(plans: readonly Plan[]): { plans: PlanInfo[]; arms: ArmSpec[] } {
  const byPolicy = new Map<string, ArmSpec>();
  const renamed = plans.map(({ info, arms }) => {
    const ids = new Map<string, string>();
    for (const arm of arms) {
      const key = policyText(arm.policy);
      const known = byPolicy.get(key);
      const merged = known ? { ...known, points: [...(known.points ?? []), ...(arm.points ?? [])] } : arm;
      byPolicy.set(key, merged);
      ids.set(arm.id, merged.id);
    }
    return { ...info, arms: info.arms.map((id) => ids.get(id) ?? id) };
  });
  return { plans: renamed, arms: [...byPolicy.values()] };
}

/** The same for the same policy, whatever order its overrides were written in. */
function policyText(policy: PolicySpec): string {
  return JSON.stringify(policy, (_, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}
