/** Which setting stands in which stage, how it is edited, and what must be redone when it changes. Pure. */
import type { RunConfig } from '../pipeline/config.ts';
import { STAGES, type Stage } from '../pipeline/types.ts';

type Value = string | number | readonly string[];

interface Lens<T> {
  readonly get: (config: RunConfig) => T;
  readonly set: (config: RunConfig, value: T) => RunConfig;
}

interface Common {
  /** The key in RunConfig, dotted, as in `--set key=value`. */
  readonly key: string;
  /** Shown in this stage. */
  readonly stage: Stage;
  /** This stage and those after it are redone when the value changes; null where nothing is. */
  readonly redo: Stage | null;
  /** Under "More". */
  readonly more: boolean;
}

export interface NumberField extends Common, Lens<number> {
  readonly kind: 'number';
  readonly whole: boolean;
}

export interface ChoiceField extends Common, Lens<string> {
  readonly kind: 'choice';
  readonly options: readonly { readonly value: string; readonly label: string }[];
}

export interface ListField extends Common, Lens<readonly string[]> {
  readonly kind: 'list';
  readonly options: readonly string[];
}

export interface TextField extends Common, Lens<string> {
  readonly kind: 'text';
}

export type Field = NumberField | ChoiceField | ListField | TextField;

const numbers: Field[] = [];
const others: Field[] = [];

function number(
  place: string,
  get: (config: RunConfig) => number,
  set: (config: RunConfig, value: number) => RunConfig,
  options: { redo?: Stage | null; more?: boolean; whole?: boolean } = {},
): void {
  const [stage, key] = parsePlace(place);
  const { redo = stage, more = false, whole = false } = options;
  numbers.push({ kind: 'number', stage, key, redo, more, whole, get, set });
}

/** 'sft: sft.epochs' -> the stage it is shown in and the key. */
function parsePlace(place: string): [Stage, string] {
  const [name, key] = place.split(': ');
  const stage = STAGES.find((each) => each === name);
  if (stage === undefined || key === undefined) throw new Error(`internal: no stage in "${place}"`);
  return [stage, key];
}

function optimiser(stage: 'sft' | 'dpo'): void {
  number(`${stage}: ${stage}.epochs`, (c) => c[stage].epochs, (c, epochs) => ({ ...c, [stage]: { ...c[stage], epochs } }));
  number(`${stage}: ${stage}.learningRate`, (c) => c[stage].learningRate, (c, learningRate) => ({ ...c, [stage]: { ...c[stage], learningRate } }));
  number(`${stage}: ${stage}.batch`, (c) => c[stage].batch, (c, batch) => ({ ...c, [stage]: { ...c[stage], batch } }), { more: true, whole: true });
  others.push({
    kind: 'choice',
    stage,
    key: `${stage}.schedule`,
    redo: stage,
    more: true,
    options: [
      { value: 'cosine', label: 'Cosine' },
      { value: 'linear', label: 'Linear' },
      { value: 'constant', label: 'Constant' },
    ],
    get: (c) => c[stage].schedule,
    set: (c, value) => {
      const schedule = SCHEDULES.find((each) => each === value) ?? 'cosine';
      return { ...c, [stage]: { ...c[stage], schedule } };
    },
  });
  number(`${stage}: ${stage}.warmup`, (c) => c[stage].warmup, (c, warmup) => ({ ...c, [stage]: { ...c[stage], warmup } }), { more: true });
  number(`${stage}: ${stage}.weightDecay`, (c) => c[stage].weightDecay, (c, weightDecay) => ({ ...c, [stage]: { ...c[stage], weightDecay } }), { more: true });
  number(`${stage}: ${stage}.maxGradNorm`, (c) => c[stage].maxGradNorm, (c, maxGradNorm) => ({ ...c, [stage]: { ...c[stage], maxGradNorm } }), { more: true });
}

const SCHEDULES = ['cosine', 'linear', 'constant'] as const;
const MODES = ['lastdedup', 'last', 'alldedup', 'all'] as const;
const LOSSES = ['sigmoid', 'ipo', 'hinge'] as const;
const TARGETS = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'];

number('model: seed', (c) => c.seed, (c, seed) => ({ ...c, seed }), { redo: 'data', whole: true });
number('data: data.heldOut', (c) => c.data.heldOut, (c, heldOut) => ({ ...c, data: { ...c.data, heldOut } }));
number('data: data.limit', (c) => c.data.limit, (c, limit) => ({ ...c, data: { ...c.data, limit } }), { whole: true });
others.push({
  kind: 'choice',
  stage: 'data',
  key: 'data.onBadRow',
  redo: 'data',
  more: true,
  options: [
    { value: 'skip', label: 'Skip it and say so' },
    { value: 'stop', label: 'Stop the run' },
  ],
  get: (c) => c.data.onBadRow,
  set: (c, value) => ({ ...c, data: { ...c.data, onBadRow: value === 'stop' ? 'stop' : 'skip' } }),
});
optimiser('sft');
number('sft: lora.rank', (c) => c.lora.rank, (c, rank) => ({ ...c, lora: { ...c.lora, rank } }), { whole: true });
number('sft: lora.alpha', (c) => c.lora.alpha, (c, alpha) => ({ ...c, lora: { ...c.lora, alpha } }), { more: true });
others.push({
  kind: 'list',
  stage: 'sft',
  key: 'lora.targets',
  redo: 'sft',
  more: true,
  options: TARGETS,
  get: (c) => c.lora.targets,
  set: (c, targets) => ({ ...c, lora: { ...c.lora, targets } }),
});
number('sample: sample.n', (c) => c.sample.n, (c, n) => ({ ...c, sample: { ...c.sample, n } }), { whole: true });
number('sample: sample.temperature', (c) => c.sample.temperature, (c, temperature) => ({ ...c, sample: { ...c.sample, temperature } }));
number('sample: sample.maxTokens', (c) => c.sample.maxTokens, (c, maxTokens) => ({ ...c, sample: { ...c.sample, maxTokens } }), { whole: true });
number('sample: sample.topP', (c) => c.sample.topP, (c, topP) => ({ ...c, sample: { ...c.sample, topP } }), { more: true });
number('sample: sample.topK', (c) => c.sample.topK, (c, topK) => ({ ...c, sample: { ...c.sample, topK } }), { more: true, whole: true });
others.push({
  kind: 'choice',
  stage: 'filter',
  key: 'filter.mode',
  redo: 'filter',
  more: false,
  options: [
    { value: 'lastdedup', label: 'Least similar, no duplicates' },
    { value: 'last', label: 'Least similar' },
    { value: 'alldedup', label: 'Any, no duplicates' },
    { value: 'all', label: 'Any' },
  ],
  get: (c) => c.filter.mode,
  set: (c, value) => ({ ...c, filter: { ...c.filter, mode: MODES.find((each) => each === value) ?? 'lastdedup' } }),
});
number('filter: filter.percent', (c) => c.filter.percent, (c, percent) => ({ ...c, filter: { ...c.filter, percent } }));
number('filter: dpo.negatives', (c) => c.dpo.negatives, (c, negatives) => ({ ...c, dpo: { ...c.dpo, negatives } }), { whole: true });
others.push({
  kind: 'text',
  stage: 'filter',
  key: 'embedder',
  redo: 'filter',
  more: true,
  get: (c) => c.embedder,
  set: (c, embedder) => ({ ...c, embedder }),
});
others.push({
  kind: 'choice',
  stage: 'filter',
  key: 'embedderPooling',
  redo: 'filter',
  more: true,
  options: [
    { value: 'mean', label: 'Mean of the tokens' },
    { value: 'cls', label: 'First token (CLS)' },
  ],
  get: (c) => c.embedderPooling,
  set: (c, value) => ({ ...c, embedderPooling: value === 'cls' ? 'cls' : 'mean' }),
});
optimiser('dpo');
number('dpo: dpo.beta', (c) => c.dpo.beta, (c, beta) => ({ ...c, dpo: { ...c.dpo, beta } }));
others.push({
  kind: 'choice',
  stage: 'dpo',
  key: 'dpo.loss',
  redo: 'dpo',
  more: true,
  options: [
    { value: 'sigmoid', label: 'Sigmoid (DPO)' },
    { value: 'ipo', label: 'IPO' },
    { value: 'hinge', label: 'Hinge' },
  ],
  get: (c) => c.dpo.loss,
  set: (c, value) => ({ ...c, dpo: { ...c.dpo, loss: LOSSES.find((each) => each === value) ?? 'sigmoid' } }),
});
number('dpo: dpo.ftx', (c) => c.dpo.ftx, (c, ftx) => ({ ...c, dpo: { ...c.dpo, ftx } }), { more: true });
number('evaluate: evaluate.samples', (c) => c.evaluate.samples, (c, samples) => ({ ...c, evaluate: { ...c.evaluate, samples } }), { whole: true });

/** In the order of the page: numbers before the choices of a stage. */
export const FIELDS: readonly Field[] = [...numbers, ...others];

function same(a: Value, b: Value): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** Keys whose values differ. */
export function changedFields(before: RunConfig, after: RunConfig): Field[] {
  return FIELDS.filter((field) => !same(field.get(before), field.get(after)));
}

/** The first stage that must be redone after a change of settings; null where none must. */
export function redoFrom(before: RunConfig, after: RunConfig): Stage | null {
  const stages = changedFields(before, after).map((field) => field.redo);
  if (before.model !== after.model) stages.push('model');
  return STAGES.find((stage) => stages.includes(stage)) ?? null;
}
