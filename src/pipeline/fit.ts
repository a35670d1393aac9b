/** Whether a run fits the device, and the nearest settings that do: src/model/fit.ts counts, this compares. */
import type { ModelConfig } from '../model/config.ts';
import { mayBeMore } from '../model/device-memory.ts';
import type { Backend, MemoryChoice, Need, Workload } from '../model/fit.ts';
import { chooseMemory, type Room, USUAL_ROOM } from '../model/memory-choice.ts';
import { keptAs, PRECISIONS, type Precision } from '../model/precision.ts';
import { trainingBytes } from '../model/run-bytes.ts';
import { type RunConfig, setKey } from './config.ts';
import { type ConfigKey, SETTINGS } from './settings.ts';
import type { PreparedData } from './types.ts';

/** What a device allows, in bytes; null where nothing tells. */
export interface Limits {
  readonly backend: Backend;
  /** Whether weights can be kept as float16. */
  readonly float16: boolean;
  /** WebAssembly's memory at most. */
  readonly heap: number;
  /** One buffer of the graphics device, and one binding of a shader. */
  readonly maxBuffer: number | null;
  /** What the browser still lets the page store. */
  readonly storageLeft: number | null;
  /** The machine's memory, as far as the browser tells: rounded, and not above some limit. */
  readonly deviceMemory: number | null;
}

/** Longest prompt and target of the data, in tokens. */
export interface Lengths {
  readonly promptTokens: number;
  readonly targetTokens: number;
}

/** Settings that would fit, and what they cost. */
export interface Suggestion {
  readonly changes: readonly { readonly key: ConfigKey; readonly value: string | number }[];
  /** What is changed and what that costs, in a sentence. */
  readonly words: string;
  readonly need: Need;
}

export interface Fit {
  readonly need: Need;
  readonly limits: Limits;
  /** memory.* with what was left to choose filled in. */
  readonly memory: MemoryChoice;
  readonly fits: boolean;
  /** What stands in the way, in sentences with numbers; empty where it fits. */
  readonly problems: readonly string[];
  /** What was traded for memory without being asked for, in sentences. */
  readonly trades: readonly string[];
  /** What the browser does not tell, and other remarks. */
  readonly notes: readonly string[];
  /** Smallest change first; empty where it fits, or where nothing would help. */
  readonly suggestions: readonly Suggestion[];
  /** Bytes to be fetched and stored before the run; 0 where the model is here. */
  readonly download: number;
}

/** Where no data is known: a short prompt, and answers as long as sampled ones may be. */
export const guessedLengths = ({ sample }: RunConfig): Lengths => ({
  promptTokens: 64,
  targetTokens: sample.maxTokens,
});

/** Of the data as the model sees it. */
export function lengthsOf({ train, heldOut }: PreparedData): Lengths {
  let [promptTokens, targetTokens] = [1, 1];
  for (const row of [...train, ...heldOut]) promptTokens = Math.max(promptTokens, row.promptIds.length);
  for (const row of train) targetTokens = Math.max(targetTokens, row.targetIds.length);
  return { promptTokens, targetTokens };
}

export function workloadOf(config: RunConfig, { promptTokens, targetTokens }: Lengths): Workload {
  return {
    lora: config.lora,
    responses: 1 + (config.dpo.epochs > 0 ? config.dpo.negatives : 0),
    promptTokens,
    answerTokens: Math.max(targetTokens, config.sample.maxTokens),
    batch: Math.max(config.sft.batch, config.dpo.batch),
    samples: config.sample.n,
    maxTokens: config.sample.maxTokens,
  };
}

/** The share of the machine's memory that one page may take without the rest of it suffering. */
const SHARE = 0.6;

/** What a run may take here: the same in every sitting on this machine. */
export function roomOf({ deviceMemory }: Limits): Room {
  return {
    heap: USUAL_ROOM.heap,
    total: deviceMemory === null ? USUAL_ROOM.total : Math.min(USUAL_ROOM.total, SHARE * deviceMemory),
  };
}

/** memory.* of a run with what is left open chosen for its data. */
export function memoryOf(
  model: ModelConfig,
  config: RunConfig,
  lengths: Lengths,
  precision: Precision,
  backend: Backend,
  room: Room = USUAL_ROOM,
): MemoryChoice {
  return chooseMemory(model, workloadOf(config, lengths), config.memory, precision, backend, room).memory;
}

/**
 * @param lengths of the data; a guess where the tokenizer is not there yet
 * @param download bytes still to be fetched
 */
export function plan(
  model: ModelConfig,
  config: RunConfig,
  lengths: Lengths,
  limits: Limits,
  download = 0,
): Fit {
  const { memory, need, problems } = measured(model, config, lengths, limits, download);
  const fits = problems.length === 0;
  return {
    need,
    limits,
    memory,
    fits,
    problems,
    trades: tradesOf(model, config, lengths, limits.backend, memory),
    notes: notesOf(need, config.precision, limits),
    suggestions: fits ? [] : suggest(model, config, lengths, limits, download),
    download,
  };
}

function measured(
  model: ModelConfig,
  config: RunConfig,
  lengths: Lengths,
  limits: Limits,
  download: number,
): { memory: MemoryChoice; need: Need; problems: string[] } {
  const work = workloadOf(config, lengths);
  const room = roomOf(limits);
  const precision = keptAs(config.precision, limits.float16);
  const { memory, need } = chooseMemory(model, work, config.memory, precision, limits.backend, room);
  return { memory, need, problems: problemsOf(need, limits, download) };
}

const gigabytes = (bytes: number): string =>
  bytes < 1e9 ? `${Math.round(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;

/** Of WebAssembly's memory, what can be used before it splinters. */
const USABLE = 0.9;

function problemsOf(need: Need, limits: Limits, download: number): string[] {
  const problems: string[] = [];
  const { heap, maxBuffer, storageLeft, deviceMemory } = limits;
  const largest = (place: 'heap' | 'gpu') =>
    need.parts.filter((part) => part.place === place).sort((a, b) => b.bytes - a.bytes)[0];
  if (limits.backend === 'wasm' && need.heap > USABLE * heap) {
    const most = largest('heap');
    problems.push(
      `WebAssembly's memory ends at ${gigabytes(heap)}, of which ${gigabytes(USABLE * heap)} can be used; the run needs ${gigabytes(need.heap)} of it${most ? `, ${gigabytes(most.bytes)} for the ${most.label.toLowerCase()}` : ''}.`,
    );
  }
  if (maxBuffer !== null && need.largestBuffer > maxBuffer) {
    problems.push(
      `The largest tensor takes ${gigabytes(need.largestBuffer)}; a buffer of this graphics device takes ${gigabytes(maxBuffer)}.`,
    );
  }
  if (deviceMemory !== null && !mayBeMore(deviceMemory) && need.machine > deviceMemory)
    problems.push(
      `This machine has ${gigabytes(deviceMemory)} of memory; the run needs ${gigabytes(need.machine)}.`,
    );
  if (storageLeft !== null && download > storageLeft) {
    problems.push(
      `The model takes ${gigabytes(download)} of storage; this browser leaves the page ${gigabytes(storageLeft)}.`,
    );
  }
  return problems;
}

/** What was traded for memory without being asked for, in sentences. */
export function tradesOf(
  model: ModelConfig,
  config: RunConfig,
  lengths: Lengths,
  backend: Backend,
  memory: MemoryChoice,
): string[] {
  const trades: string[] = [];
  const numbers = { precision: config.precision, gpu: backend === 'webgpu' };
  const { pieces } = trainingBytes(model, workloadOf(config, lengths), memory, numbers);
  if (!memory.keep && config.memory.activations === 'auto') {
    trades.push(
      'Activations are computed again in the backward pass, not kept: about a third more time, the same result.',
    );
  }
  if (pieces > 1) {
    trades.push(
      `The longest groups go through in ${Math.ceil(pieces)} pieces of at most ${memory.rows.toLocaleString('en')} tokens, forward twice, since their loss needs all answers first: the same result.`,
    );
  }
  if (memory.sampleRows < 32 && !config.memory.sampleRows)
    trades.push(`Only ${memory.sampleRows} answers are sampled at a time: slower, the same method.`);
  return trades;
}

function notesOf(need: Need, precision: Precision, { backend, float16, deviceMemory }: Limits): string[] {
  const notes: string[] = [];
  if (keptAs(precision, float16) !== precision)
    notes.push(
      `This graphics device does not compute with 16 bits, so weights of ${precision} are kept as f32.`,
    );
  if (backend === 'webgpu')
    notes.push(
      'Browsers do not tell how much memory a graphics device has; only its largest buffer is known.',
    );
  if (deviceMemory === null) notes.push('This browser does not tell how much memory the machine has.');
  else if (mayBeMore(deviceMemory) && need.machine > deviceMemory)
    notes.push(
      `The run needs ${gigabytes(need.machine)} of this machine's memory, of which the browser tells that it is ${gigabytes(deviceMemory)} or more.`,
    );
  return notes;
}

const LOSES: Readonly<Record<Precision, string>> = {
  f32: '',
  f16: 'weights are rounded to 16 bits',
  q8: 'weights are rounded to 8 bits, which changes log-probabilities a little',
  q4: 'weights are rounded to 4 bits, which changes log-probabilities more',
};

type Change = Suggestion['changes'][number];

/** One change of each kind that helps, the smallest that fits; where none does alone, all of them with ever less. */
function suggest(
  model: ModelConfig,
  config: RunConfig,
  lengths: Lengths,
  limits: Limits,
  download: number,
): Suggestion[] {
  const tried = (changes: readonly Change[], words: string): Suggestion | null => {
    const next = changes.reduce((c, { key, value }) => setKey(c, key, String(value)), config);
    const { need, problems } = measured(model, next, lengths, limits, download);
    return problems.length === 0 ? { changes, words, need } : null;
  };
  const first = (list: readonly (readonly [readonly Change[], string])[]): Suggestion[] => {
    for (const [changes, words] of list) {
      const found = tried(changes, words);
      if (found) return [found];
    }
    return [];
  };
  const free = first(memoryChanges(config));
  const coarser = PRECISIONS.slice(PRECISIONS.indexOf(config.precision) + 1).filter(
    (precision) => keptAs(precision, limits.float16) === precision,
  );
  const kept = first(
    coarser.map((precision) => [
      [{ key: 'precision', value: precision }],
      `Keep the model as ${precision}: ${LOSES[precision]}.`,
    ]),
  );
  const shorter = first(
    halves(config.sample.maxTokens, 16).map((value) => [
      [{ key: 'sample.maxTokens', value }],
      `Sample answers of at most ${value} tokens: longer ones are cut off, and the method sees less of them.`,
    ]),
  );
  const fewer = first(
    halves(config.dpo.negatives, 1).map((value) => [
      [{ key: 'dpo.negatives', value }],
      `Prefer the target over ${value} of its answers a prompt, not ${config.dpo.negatives}: this changes the method, since more negatives estimate its gradient better.`,
    ]),
  );
  const alone = [...free, ...kept, ...shorter, ...fewer];
  if (alone.length > 0) return alone;
  const most: readonly Change[] = [
    { key: 'precision', value: 'q4' },
    { key: 'memory.activations', value: 'again' },
    { key: 'memory.segment', value: 1 },
    { key: 'memory.rows', value: 256 },
    { key: 'memory.sampleRows', value: 4 },
  ];
  return first([
    [most, 'Everything that saves memory at once, weights of 4 bits among it: slow, and less exact.'],
  ]);
}

/** Changes of memory.* that cost time only, where the settings fix what could be left open. */
function memoryChanges(config: RunConfig): (readonly [readonly Change[], string])[] {
  const { rows, segment, activations, sampleRows } = config.memory;
  const open: readonly (readonly [boolean, ConfigKey, string | number])[] = [
    [rows > 0, 'memory.rows', 0],
    [segment > 0, 'memory.segment', 0],
    [activations === 'keep', 'memory.activations', 'auto'],
    [sampleRows > 0, 'memory.sampleRows', 0],
  ];
  const set = open.filter(([fixed]) => fixed);
  const words = (keys: readonly ConfigKey[]) =>
    `Leave ${keys.map((key) => `"${SETTINGS[key].label}"`).join(', ')} to be chosen: slower, the same result.`;
  const alone = set.map(([, key, value]) => [[{ key, value }], words([key])] as const);
  const all = [set.map(([, key, value]) => ({ key, value })), words(set.map(([, key]) => key))] as const;
  return set.length > 1 ? [...alone, all] : alone;
}

/** Half of it, half of that, and so on down to `least`. */
function halves(from: number, least: number): number[] {
  const list: number[] = [];
  for (let value = Math.floor(from / 2); value >= least; value = Math.floor(value / 2)) list.push(value);
  return list;
}

/** A run that cannot fit: nothing was begun. */
export class FitError extends Error {
  override name = 'FitError';
}

/** @throws FitError that names what stands in the way and the nearest settings that fit */
export function checkFit({ fits, problems, suggestions }: Fit): void {
  if (fits) return;
  const set = (s: Suggestion) => s.changes.map(({ key, value }) => `${key}=${value}`).join(' ');
  const nearest = suggestions.map((s) => `${s.words} (${set(s)}, ${gigabytes(s.need.peak)})`);
  const advice =
    nearest.length > 0
      ? `What would fit: ${nearest.join(' ')}`
      : 'No settings make this model fit here; choose a smaller one.';
  throw new FitError(`The run does not fit this device. ${problems.join(' ')} ${advice}`);
}
