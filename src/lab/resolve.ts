/** From the lab's settings and an arm's overrides to the settings that a step of it computes with. */
import { ConfigError, checkTogether, type RunConfig, setKey } from '../pipeline/config.ts';
import type { NegativesSpec, Overrides, PolicySpec, TrainedSpec } from './types.ts';

/** What stays as it was in the policy that a step goes on from: another model can't go on with its adapter. */
const ROOTED = ['model', 'hub', 'backend', 'precision', 'adapter', 'data', 'lora', 'memory'] as const;

/** @throws ConfigError for keys or values that are none, and for the seed, which is the lab's to vary */
export function withOverrides(config: RunConfig, set: Overrides = {}): RunConfig {
  return Object.entries(set).reduce((before, [key, value]) => {
    if (value === undefined) return before;
    if (key === 'seed') throw new ConfigError('seed: every arm is computed with all seeds of the lab');
    return setKey(before, key, Array.isArray(value) ? value.join(',') : String(value));
  }, config);
}

/** Settings of a policy's last step. What its model, its data and its adapter are is said by its first. */
export function configOf(lab: RunConfig, policy: PolicySpec, seed: number): RunConfig {
  if (policy.kind === 'base') return { ...lab, seed };
  const own = withOverrides(lab, policy.set);
  if (policy.kind === 'sft') return { ...own, seed };
  const root = configOf(lab, policy.from, seed);
  const rooted = Object.fromEntries(ROOTED.map((name) => [name, root[name]]));
  return { ...own, ...rooted, seed };
}

/** DPO steps on the way: 0 for SFT. */
export function roundOf(policy: TrainedSpec): number {
  return policy.kind === 'sft' ? 0 : 1 + roundOf(policy.from);
}

/** Where the negatives on the way to a policy come from, each once. */
export function sourcesOf(policy: PolicySpec): NegativesSpec['source'][] {
  if (policy.kind === 'base') return [];
  if (policy.kind === 'sft') return policy.compute ? sourcesOf(policy.compute.as) : [];
  return [...new Set([policy.negatives.source, ...sourcesOf(policy.from)])];
}

/**
 * What stands against computing a policy, in words; empty where nothing does.
 *
 * @param arm its name, which begins every line
 */
export function problemsOf(lab: RunConfig, arm: string, policy: PolicySpec): string[] {
  if (policy.kind === 'base') return [];
  const below = policy.kind === 'dpo' ? problemsOf(lab, arm, policy.from) : [];
  if (below.length > 0) return below;
  if (policy.kind === 'sft' && policy.compute) {
    const as = problemsOf(lab, arm, policy.compute.as);
    if (as.length > 0) return as;
  }
  try {
    const config = configOf(lab, policy, lab.seed);
    if (policy.kind === 'dpo') {
      const needed = policy.negatives.needs?.atLeast ?? 0;
      if (policy.negatives.source === 'own') {
        checkTogether(config);
        if (needed > config.sample.n)
          throw new ConfigError(
            `prompts with ${needed} negatives are asked for, but only sample.n = ${config.sample.n} answers are sampled; raise sample.n.`,
          );
      }
      checkRoot(lab, policy, config);
    }
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message.split('\n').map((line) => `${arm}: ${line}`);
  }
}

/** @throws ConfigError where a later step's overrides say something of the model, the data or the adapter that the first denies */
function checkRoot(lab: RunConfig, policy: TrainedSpec, config: RunConfig): void {
  const asked = withOverrides(lab, policy.set);
  for (const key of Object.keys(policy.set ?? {})) {
    const field = ROOTED.find((name) => key === name || key.startsWith(`${name}.`));
    if (field === undefined) continue;
    if (JSON.stringify(asked[field]) !== JSON.stringify(config[field]))
      throw new ConfigError(`${key}: it can't change after SFT; set it in the SFT step as well.`);
  }
}
