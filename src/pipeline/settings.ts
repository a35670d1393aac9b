/** Every setting in words: label, unit, help and bounds. One table for the page, for --help and for validation. */
import { PRECISIONS } from '../model/precision.ts';
import type { RunConfig } from './config.ts';

/** Dotted paths of all leaves, e.g. 'dpo.negatives'. */
type Paths<T> = {
  [K in keyof T & string]: T[K] extends string | number | readonly string[] ? K : `${K}.${Paths<T[K]>}`;
}[keyof T & string];

export type ConfigKey = Paths<RunConfig>;

export interface Setting {
  readonly kind: 'integer' | 'number' | 'choice' | 'list' | 'text';
  readonly label: string;
  /** Empty where the value has none. */
  readonly unit: string;
  /** What it does and when to change it, in one sentence. */
  readonly help: string;
  /** Bounds of numbers, both allowed themselves. */
  readonly min?: number;
  readonly max?: number;
  /** What a choice or the items of a list may be. */
  readonly choices?: readonly string[];
}

type Words = readonly [label: string, unit: string, help: string];

const integer = (min: number, max: number, [label, unit, help]: Words): Setting => ({
  kind: 'integer',
  label,
  unit,
  help,
  min,
  max,
});
const number = (min: number, max: number, words: Words): Setting => ({
  ...integer(min, max, words),
  kind: 'number',
});
const choice = (choices: readonly string[], [label, unit, help]: Words): Setting => ({
  kind: 'choice',
  label,
  unit,
  help,
  choices,
});
const list = (choices: readonly string[], words: Words): Setting => ({
  ...choice(choices, words),
  kind: 'list',
});
const text = ([label, unit, help]: Words): Setting => ({ kind: 'text', label, unit, help });

export const BACKENDS = ['auto', 'webgpu', 'wasm'] as const;
export const ACTIVATIONS = ['auto', 'keep', 'again'] as const;
export const POOLINGS = ['auto', 'mean', 'cls'] as const;
export const BAD_ROWS = ['skip', 'stop'] as const;
export const LORA_TARGETS = [
  'q_proj',
  'k_proj',
  'v_proj',
  'o_proj',
  'gate_proj',
  'up_proj',
  'down_proj',
] as const;
export const SCHEDULES = ['cosine', 'linear', 'constant'] as const;
export const FILTER_MODES = ['all', 'alldedup', 'last', 'lastdedup'] as const;
export const DPO_LOSSES = ['sigmoid', 'ipo', 'hinge'] as const;

/** Every key has its words: a key of RunConfig that is missing here does not compile. */
export const SETTINGS: { readonly [K in ConfigKey]: Setting } = {
  seed: integer(0, 4294967295, [
    'Seed',
    '',
    'Start of every random choice; change it to see how much a result owes to chance.',
  ]),
  backend: choice(BACKENDS, [
    'Backend',
    '',
    'Where the model is computed; auto takes the graphics card where there is a real one, else WebAssembly.',
  ]),
  model: text([
    'Model',
    '',
    'The language model to align: default, a stored folder or a Hugging Face id; change it to align your own.',
  ]),
  precision: choice(PRECISIONS, [
    'Precision',
    '',
    'How the model itself is kept in memory: f32 is exact, f16 takes half, q8 about a quarter and q4 an eighth of it; the adapter is always exact.',
  ]),
  hub: text(['Model hub', '', 'The address that model ids are loaded from; change it to use a mirror.']),
  adapter: text([
    'Start adapter',
    '',
    'A PEFT adapter that the run starts from, or none; with it SFT epochs of 0 make it the reference as it is.',
  ]),
  embedder: text([
    'Embedder',
    '',
    'The model that measures similarity to the target; change it where the default does not know your language or subject.',
  ]),
  embedderPooling: choice(POOLINGS, [
    'Pooling',
    '',
    "How an embedder's token vectors become one; auto reads it from the embedder's files and takes the mean where they do not say: set cls for copies of UAE-Large and the BGE family that lack 1_Pooling.",
  ]),
  'memory.rows': integer(0, 1_000_000, [
    'Training rows',
    'tokens',
    'Padded tokens that go through the model together in training; 0 chooses by model and device, fewer take less memory.',
  ]),
  'memory.segment': integer(0, 1000, [
    'Layers a graph',
    'layers',
    'Layers computed as one graph in training; 0 chooses by model, 1 takes the least memory, more are a little faster.',
  ]),
  'memory.activations': choice(ACTIVATIONS, [
    'Activations',
    '',
    'Whether what the forward pass computes is kept for the backward pass (faster) or computed again (less memory).',
  ]),
  'memory.sampleRows': integer(0, 4096, [
    'Answers at a time',
    'answers',
    'Answers sampled together; 0 chooses by model, fewer take less memory and are slower.',
  ]),
  'data.heldOut': number(0, 1_000_000, [
    'Held out',
    'share or prompts',
    'Prompts kept from training to measure the result, a share below 1 or a count; 0 skips the evaluation.',
  ]),
  'data.limit': integer(0, 10_000_000, [
    'Limit',
    'prompts',
    'Training prompts used at most, 0 for all; lower it for a quick trial.',
  ]),
  'data.onBadRow': choice(BAD_ROWS, [
    'Unreadable rows',
    '',
    'Whether a row that cannot be used is left out and reported, or stops the run.',
  ]),
  'lora.rank': integer(1, 1024, [
    'LoRA rank',
    '',
    'Size of the trained adapter; raise it where SFT cannot fit the targets, lower it where held-out answers get worse.',
  ]),
  'lora.alpha': number(0.001, 10_000, [
    'LoRA alpha',
    '',
    'Scale of the adapter, applied as alpha / rank; usually once or twice the rank.',
  ]),
  'lora.targets': list(LORA_TARGETS, [
    'LoRA layers',
    '',
    'The matrices of each layer that the adapter changes; fewer make a smaller adapter.',
  ]),
  'sft.epochs': number(0, 1000, [
    'SFT epochs',
    'epochs',
    'Passes over the targets before sampling; 0 makes the model itself, or the adapter it starts from, the reference.',
  ]),
  'sft.learningRate': number(0, 1, [
    'SFT learning rate',
    '',
    'Largest step size of SFT; lower it where the loss jumps, raise it where it hardly falls.',
  ]),
  'sft.batch': integer(1, 100_000, [
    'SFT batch',
    'prompts',
    'Prompts an optimiser step of SFT; more make steadier and fewer steps.',
  ]),
  'sft.schedule': choice(SCHEDULES, [
    'SFT schedule',
    '',
    'How the learning rate falls after the warm-up; constant does not fall at all.',
  ]),
  'sft.warmup': number(0, 1, [
    'SFT warm-up',
    'share of steps',
    'Share of the steps in which the rate rises to its largest; raise it where the first steps are unstable.',
  ]),
  'sft.weightDecay': number(0, 10, [
    'SFT weight decay',
    '',
    'Pull of the adapter towards zero; raise it a little against over-fitting.',
  ]),
  'sft.maxGradNorm': number(0, 1e6, [
    'SFT gradient limit',
    '',
    'Longer gradients are shortened to this norm; 0 switches it off.',
  ]),
  'sample.n': integer(1, 4096, [
    'Answers a prompt',
    'answers',
    'How many answers are sampled for each prompt; more give more choice of negatives and take longer.',
  ]),
  'sample.temperature': number(0, 10, [
    'Temperature',
    '',
    'Spread of the sampled answers; 1 is the model as it is, and other values make the reference less exact.',
  ]),
  'sample.topP': number(0.001, 1, [
    'Top-p',
    '',
    'Only the most likely tokens up to this total probability are sampled; 1 switches it off.',
  ]),
  'sample.topK': integer(0, 1_000_000, [
    'Top-k',
    'tokens',
    'Only this many of the most likely tokens are sampled; 0 switches it off.',
  ]),
  'sample.maxTokens': integer(1, 100_000, [
    'Longest answer',
    'tokens',
    'Tokens of an answer at most; raise it where good answers are cut off.',
  ]),
  'filter.mode': choice(FILTER_MODES, [
    'Filter',
    '',
    'Which answers may be negatives: all, or the least similar to the target (last), with or without duplicates (dedup).',
  ]),
  'filter.percent': number(0, 100, [
    'Least similar',
    '%',
    'Share of the answers kept as negatives; lower it where right answers end up among them.',
  ]),
  'dpo.negatives': integer(1, 4096, [
    'Negatives a prompt',
    'answers',
    'Answers set against each target; more steady the gradient, up to about 16.',
  ]),
  'dpo.beta': number(1e-6, 1000, [
    'Beta',
    '',
    'How strongly the model is held to the SFT model; raise it where answers get strange, lower it for more effect.',
  ]),
  'dpo.loss': choice(DPO_LOSSES, [
    'Loss',
    '',
    'Sigmoid is DPO itself; ipo and hinge stop pushing once a pair is far enough apart.',
  ]),
  'dpo.ftx': number(0, 1000, [
    'SFT term',
    '',
    "Weight of the target's own likelihood in the loss; raise it where the chosen log-probability falls.",
  ]),
  'dpo.epochs': number(0, 1000, [
    'DPO epochs',
    'epochs',
    'Passes over the pairs; more than one soon over-fits to easy negatives.',
  ]),
  'dpo.learningRate': number(0, 1, [
    'DPO learning rate',
    '',
    'Largest step size of DPO; lower it where held-out answers get worse or shorter.',
  ]),
  'dpo.batch': integer(1, 100_000, [
    'DPO batch',
    'prompts',
    'Prompts an optimiser step of DPO, each with all its negatives; more make steadier and fewer steps.',
  ]),
  'dpo.schedule': choice(SCHEDULES, [
    'DPO schedule',
    '',
    'How the learning rate falls after the warm-up; constant does not fall at all.',
  ]),
  'dpo.warmup': number(0, 1, [
    'DPO warm-up',
    'share of steps',
    'Share of the steps in which the rate rises to its largest; raise it where the first steps are unstable.',
  ]),
  'dpo.weightDecay': number(0, 10, [
    'DPO weight decay',
    '',
    'Pull of the adapter towards zero; raise it a little against over-fitting.',
  ]),
  'dpo.maxGradNorm': number(0, 1e6, [
    'DPO gradient limit',
    '',
    'Longer gradients are shortened to this norm; 0 switches it off.',
  ]),
  'evaluate.samples': integer(1, 1024, [
    'Answers judged',
    'answers',
    'Answers sampled for each held-out prompt and model; more make the comparison surer and slower.',
  ]),
};

export function isConfigKey(key: string): key is ConfigKey {
  return Object.hasOwn(SETTINGS, key);
}

/** All keys, in the table's order. */
export const CONFIG_KEYS: readonly ConfigKey[] = Object.keys(SETTINGS).filter(isConfigKey);

/** What a setting may be, in words: 'a whole number of 1 to 4096'. */
export function allowed(setting: Setting): string {
  switch (setting.kind) {
    case 'integer':
      return `a whole number of ${setting.min} to ${setting.max}`;
    case 'number':
      return `a number of ${setting.min} to ${setting.max}`;
    case 'choice':
      return `one of ${setting.choices?.join(', ')}`;
    case 'list':
      return `a list of different ones of ${setting.choices?.join(', ')}`;
    case 'text':
      return 'text that is not empty';
  }
}
