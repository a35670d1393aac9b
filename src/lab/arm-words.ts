/** What an arm does, in words that name its settings. */
import { ConfigError, type RunConfig } from '../pipeline/config.ts';
import { withOverrides } from './resolve.ts';
import type { NegativesSpec, Overrides, PolicySpec, TrainedSpec } from './types.ts';

/** E.g. 'SFT, then DPO with 8 negatives a prompt from the 75 % of its own distinct answers least similar to the target'. */
export function armWords(policy: PolicySpec, config: RunConfig): string {
  if (policy.kind === 'base') return 'the model as it is, not trained';
  try {
    return trainedWords(policy, config);
  } catch (error) {
    // Such an arm has failed; the report still tells of the others.
    if (error instanceof ConfigError) return `settings that are none: ${error.message}`;
    throw error;
  }
}

function trainedWords(policy: TrainedSpec, config: RunConfig): string {
  const [first = '', ...later] = stepsOf(policy, config);
  // Rounds that are alike are told once.
  const told = later.filter((words, i) => words !== later[i - 1]);
  const counted = told.map((words) => {
    const count = later.filter((other) => other === words).length;
    return count === 1 ? `, then ${words}` : `, then ${count} times, each time with fresh answers: ${words}`;
  });
  return `${first}${counted.join('')}`;
}

function stepsOf(policy: TrainedSpec, config: RunConfig): string[] {
  if (policy.kind === 'sft') {
    const long = policy.compute
      ? `, for as many epochs as cost what this costs: ${armWords(policy.compute.as, config)}`
      : '';
    const matters = (key: string) => !/^(dpo|filter|sample|evaluate)\./.test(key);
    return [`SFT${changes(policy.set, config, matters)}${long}`];
  }
  // What the sentence itself gives need not follow in brackets.
  const matters = (key: string) =>
    !/^sft\./.test(key) && !['dpo.negatives', 'filter.mode', 'filter.percent'].includes(key);
  const words = negativesWords(policy.negatives, withOverrides(config, policy.set));
  return [...stepsOf(policy.from, config), `DPO with ${words}${changes(policy.set, config, matters)}`];
}

function negativesWords({ source, select = 'least', needs }: NegativesSpec, config: RunConfig): string {
  const k = config.dpo.negatives;
  const whose = { own: 'its own', imported: 'the other models’', rejected: 'the data set’s rejected' }[
    source
  ];
  const pool = source === 'rejected' ? `${whose} answers` : poolWords(whose, select, config);
  const fewer = needs ? `, on prompts whose pool holds ${needs.atLeast}` : '';
  return `${k} negative${k === 1 ? '' : 's'} a prompt from ${pool}${fewer}`;
}

function poolWords(whose: string, select: 'least' | 'random' | 'most', { filter }: RunConfig): string {
  const { mode, percent } = filter;
  const distinct = mode === 'alldedup' || mode === 'lastdedup' ? ' distinct' : '';
  if (mode === 'all' || mode === 'alldedup') return `all ${whose}${distinct} answers`;
  const answers = `${percent} % of ${whose}${distinct} answers`;
  if (select === 'random') return `a random ${answers}`;
  return `the ${answers} ${select} similar to the target`;
}

/** ' (dpo.beta = 0.5, elsewhere 0.1)' of what differs from the lab's settings; nothing where nothing does. */
function changes(set: Overrides = {}, config: RunConfig, matters: (key: string) => boolean): string {
  const changed = Object.entries(set).flatMap(([key, value]) => {
    const usual = valueAt(config, key);
    return matters(key) && String(usual) !== String(value) ? [`${key} = ${value}, elsewhere ${usual}`] : [];
  });
  return changed.length === 0 ? '' : ` (${changed.join('; ')})`;
}

function valueAt(config: RunConfig, key: string): unknown {
  return key
    .split('.')
    .reduce<unknown>(
      (inner, name) =>
        typeof inner === 'object' && inner !== null ? new Map(Object.entries(inner)).get(name) : undefined,
      config,
    );
}
