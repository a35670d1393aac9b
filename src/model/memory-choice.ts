/** What of memory.* the settings leave open: the fastest choice that fits. */
import { padLength } from './batch.ts';
import type { ModelConfig } from './config.ts';
import { type Backend, estimate, HEAP_LIMIT, type MemoryChoice, type Need, type Workload } from './fit.ts';
import { elements, type LoraConfig, modelWeights } from './parameters.ts';
import type { Precision } from './precision.ts';

/** As in RunConfig.memory: 0 and 'auto' are open. */
export interface MemoryWish {
  readonly rows: number;
  readonly segment: number;
  readonly activations: 'auto' | 'keep' | 'again';
  readonly sampleRows: number;
}

const NO_WISH: MemoryWish = { rows: 0, segment: 0, activations: 'auto', sampleRows: 0 };

/** Bytes that a choice may take. */
export interface Room {
  /** Of WebAssembly's memory. */
  readonly heap: number;
  /** Of everything. */
  readonly total: number;
}

/**
 * What is aimed for where nothing else is known: WebAssembly's memory with a quarter left over, since it never shrinks
 * and splinters; and what most machines can spare.
 */
export const USUAL_ROOM: Room = { heap: 0.7 * HEAP_LIMIT, total: 4e9 };

/** Parameters up to which all layers go into one graph: fewer runs, more memory. */
const ONE_SEGMENT = 30_000_000;
const MOST_ROWS = 2048;
const FEWEST_ROWS = 256;
const FEWEST_SAMPLES = 4;

/** What is chosen where nothing is known of the data. */
export function usualMemory(
  c: ModelConfig,
  lora: LoraConfig,
  precision: Precision,
  backend: Backend,
): MemoryChoice {
  const work = {
    lora,
    responses: 9,
    promptTokens: 64,
    answerTokens: 64,
    batch: 16,
    samples: 16,
    maxTokens: 64,
  };
  return chooseMemory(c, work, NO_WISH, precision, backend).memory;
}

/** Padded tokens of the longest group. */
function groupRows(work: Workload): number {
  return padLength(work.promptTokens) + work.responses * padLength(work.answerTokens);
}

/** Room is looked for in this order: what costs least time first. */
function* trainingChoices(
  c: ModelConfig,
  work: Workload,
  wish: MemoryWish,
): Generator<Omit<MemoryChoice, 'sampleRows'>> {
  // Activations kept for the backward pass are about 30 x hidden size x layers floats a row.
  const usual = Math.floor(2 ** 30 / (c.hiddenSize * c.layers * 30 * 4));
  const most = Math.max(FEWEST_ROWS, Math.min(MOST_ROWS, usual));
  // A group that is cut goes forward twice, and its prompt with every piece.
  const sizes = wish.rows ? [wish.rows] : [Math.max(most, groupRows(work)), most, 1024, 512, FEWEST_ROWS];
  const segments = wish.segment ? [wish.segment] : isSmall(c) ? [c.layers, 1] : [1];
  const keeps = wish.activations === 'auto' ? [true, false] : [wish.activations === 'keep'];
  for (const rows of sizes)
    for (const segment of segments) for (const keep of keeps) yield { rows, segment, keep };
}

const isSmall = (c: ModelConfig): boolean =>
  modelWeights(c).reduce((sum, { shape }) => sum + elements(shape), 0) < ONE_SEGMENT;

/**
 * The first choice that fits, or the one that takes the least where none does. Depends on nothing that changes from
 * sitting to sitting, since what is computed together changes the last bits of a result.
 */
export function chooseMemory(
  c: ModelConfig,
  work: Workload,
  wish: MemoryWish,
  precision: Precision,
  backend: Backend,
  room: Room = USUAL_ROOM,
): { memory: MemoryChoice; need: Need } {
  const fits = (need: Need, of: 'trainingPeak' | 'peak') => need.heap <= room.heap && need[of] <= room.total;
  const answers = wish.sampleRows || (isSmall(c) ? 128 : 32);
  let best: { memory: MemoryChoice; need: Need } | undefined;
  for (const choice of trainingChoices(c, work, wish)) {
    const memory = { ...choice, sampleRows: wish.sampleRows || FEWEST_SAMPLES };
    const need = estimate(c, work, memory, precision, backend);
    if (!best || need.trainingPeak < best.need.trainingPeak) best = { memory, need };
    if (fits(need, 'trainingPeak')) {
      best = { memory, need };
      break;
    }
  }
  if (!best) throw new Error('internal: no choice');
  for (let sampleRows = answers; ; sampleRows = Math.floor(sampleRows / 2)) {
    const memory = { ...best.memory, sampleRows };
    const need = estimate(c, work, memory, precision, backend);
    if (wish.sampleRows || sampleRows <= FEWEST_SAMPLES || fits(need, 'peak')) return { memory, need };
  }
}
