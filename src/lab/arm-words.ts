/** What an arm does, in words that name its settings. */
import { type ConfigKey, type RunConfig, setKey } from '../pipeline/config.ts';
import type { NegativesSpec, Overrides, PolicySpec } from './types.ts';

/** Settings that the sentence itself gives. */
const SAID: ReadonlySet<string> = new Set(['dpo.negatives', 'filter.mode', 'filter.percent']);

/** E.g. 'SFT, then DPO with 8 of its own answers a prompt as negatives, of the 75 % least similar to the target'. */
export function armWords(policy: PolicySpec, config: RunConfig): string {
  switch (policy.kind) {
    case 'base':
      return 'the model as it is, not trained';
    case 'sft': {
      const long = policy.compute
        ? `, for as many epochs as cost what this costs: ${armWords(policy.compute.as, config)}`
        : '';
      return `SFT${changes(policy.set, config)}${long}`;
    }
    case 'dpo': {
      const own = overlaid(config, policy.set);
      const step = `DPO with ${negativesWords(policy.negatives, own)}${changes(policy.set, config, SAID)}`;
      return `${armWords(policy.from, config)}, then ${step}`;
    }
  }
}

function negativesWords({ source, select = 'least', needs }: NegativesSpec, config: RunConfig): string {
  const k = config.dpo.negatives;
  const whose = { own: 'of its own answers', rejected: 'rejected', imported: 'of other models’ answers' }[
    source
  ];
  const noun = source === 'rejected' ? ` answer${k === 1 ? '' : 's'} of the data set` : '';
  const fewer = needs ? `, on the prompts that have ${needs.atLeast}` : '';
  return `${k} ${whose}${noun} a prompt as negatives${source === 'rejected' ? '' : poolWords(select, config)}${fewer}`;
}

function poolWords(select: 'least' | 'random' | 'most', { filter: { mode, percent } }: RunConfig): string {
  const all = mode === 'all' || mode === 'alldedup' || percent === 100;
  const distinct = mode === 'alldedup' || mode === 'lastdedup' ? ' distinct' : '';
  if (all && select !== 'most') return `, of all${distinct} ones`;
  const kept = { least: 'least similar to the target', random: 'drawn at random', most: 'most similar' }[
    select
  ];
  return `, of the ${percent} %${distinct} ones ${kept}`;
}

/** ' (dpo.beta = 0.5, elsewhere 0.1)' of what differs from the lab's settings; nothing where nothing does. */
function changes(
  set: Overrides | undefined,
  config: RunConfig,
  but: ReadonlySet<string> = new Set(),
): string {
  const changed = Object.entries(set ?? {}).flatMap(([key, value]) => {
    const usual = valueAt(config, key);
    return but.has(key) || String(usual) === String(value) ? [] : [`${key} = ${value}, elsewhere ${usual}`];
  });
  return changed.length === 0 ? '' : ` (${changed.join('; ')})`;
}

/** The lab's settings with an arm's own laid over them. */
function overlaid(config: RunConfig, set: Overrides | undefined): RunConfig {
  return Object.entries(set ?? {}).reduce((laid, [key, value]) => setKey(laid, key, String(value)), config);
}

function valueAt(config: RunConfig, key: ConfigKey | string): unknown {
  return key
    .split('.')
    .reduce<unknown>(
      (inner, name) =>
        typeof inner === 'object' && inner !== null ? new Map(Object.entries(inner)).get(name) : undefined,
      config,
    );
}
