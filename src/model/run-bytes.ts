/** Bytes that training and sampling take, from the shapes of the very graphs that they run. */
import { footprint } from '../graph/footprint.ts';
import type { Graph } from '../graph/index.ts';
import { cutGroups, type GroupIds, padLength, planMicroBatches } from './batch.ts';
import { type Geometry, responseTotal, rowTotal } from './block.ts';
import { kindsWithin, type ModelConfig } from './config.ts';
import { SLICE, sliceWithin } from './decode-round.ts';
import { embeddingGraph, frozenHeadGraph, headChunks } from './end-graphs.ts';
import type { MemoryChoice, Workload } from './fit.ts';
import { separateValues } from './fused-layers.ts';
import { roundGraph } from './loop-graph.ts';
import type { Numbers } from './matrix.ts';
import { inputModel } from './model-values.ts';
import { adamWGraph } from './optimizer.ts';
import { modelWeights, trainableLayer, unitSize } from './parameters.ts';
import { prefillGraph, promptsTogether } from './prefill-graph.ts';
import { stepGraph, stepRoom } from './step-graph.ts';
import { segmentGraphs } from './training-graphs.ts';
import { weightBytes } from './weight-form.ts';

/** Whatever the optimiser's settings, its graph has the same tensors. */
const OPTIMISER = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, maxGradNorm: 1 };

/** Building a graph takes a tenth of a second or more, and a choice asks for the same one again and again. */
function answers<T>(): (c: ModelConfig, question: readonly unknown[], measure: () => T) => T {
  const known = new WeakMap<ModelConfig, Map<string, T>>();
  return (c, question, measure) => {
    const of = known.get(c) ?? new Map<string, T>();
    known.set(c, of);
    const key = JSON.stringify(question);
    const found = of.get(key) ?? measure();
    of.set(key, found);
    return found;
  };
}

const rememberTraining = answers<TrainingBytes>();
const rememberSampling = answers<SamplingBytes>();

/** A backward graph that computes the forward pass again takes so much more than its order of operators says (measured). */
const AGAIN = 1.35;

export interface TrainingBytes {
  /** The largest run of any graph: what is handed in and all that is made. */
  readonly run: number;
  /** Of `run`, what is handed in: on a GPU it lies there anyway. */
  readonly handedIn: number;
  /**
   * Adapter and two moments, the same before the last update, gradient sum, the zeros it begins with, and the mask of
   * what decays.
   */
  readonly units: number;
  /** What the forward pass leaves: every segment's input, what it keeps, the top and the head's gradient. */
  readonly trace: number;
  /** Rows of the largest micro-batch. */
  readonly rows: number;
  /** Pieces that the longest group is cut into. */
  readonly pieces: number;
  /** The largest single tensor. */
  readonly largest: number;
}

/** The longest group of the workload, and the largest micro-batch that groups like it make. */
function largestMicroBatch(
  c: ModelConfig,
  work: Workload,
  rows: number,
): { geometry: Geometry; pieces: number } {
  const tokens = (n: number) => new Array<number>(Math.max(1, n)).fill(0);
  const answer = Math.min(work.answerTokens, c.contextLength - 1);
  const group: GroupIds = {
    promptIds: tokens(Math.min(work.promptTokens, c.contextLength - answer)),
    responseIds: new Array<readonly number[]>(work.responses).fill(tokens(answer)),
  };
  const pieces = cutGroups(new Array<GroupIds>(work.batch).fill(group), rows);
  const ids = pieces.map(({ count }) => ({ ...group, responseIds: group.responseIds.slice(0, count) }));
  const batches = planMicroBatches(ids, rows).map(({ geometry }) => geometry);
  const geometry = batches.reduce((a, b) => (rowTotal(b) > rowTotal(a) ? b : a));
  return { geometry, pieces: pieces.length / work.batch };
}

type TrainingMemory = Pick<MemoryChoice, 'rows' | 'segment' | 'keep'>;

export function trainingBytes(
  c: ModelConfig,
  work: Workload,
  { rows, segment, keep }: TrainingMemory,
  numbers: Numbers,
): TrainingBytes {
  return rememberTraining(c, [work, rows, segment, keep, numbers], () =>
    measureTraining(c, work, { rows, segment, keep }, numbers),
  );
}

function measureTraining(
  c: ModelConfig,
  work: Workload,
  memory: TrainingMemory,
  numbers: Numbers,
): TrainingBytes {
  const { geometry: s, pieces } = largestMicroBatch(c, work, memory.rows);
  const mode = { kind: 'lora', lora: work.lora, numbers } as const;
  const layers = Math.min(memory.segment, c.layers);
  const kinds = kindsWithin(c.layerKinds.slice(0, layers), s.promptRows + s.laneRows);
  const { forward, backward } = segmentGraphs(c, mode, s, kinds, { keep: memory.keep, wantDx: true });
  const size = unitSize(trainableLayer(c, mode));
  const x = rowTotal(s) * c.hiddenSize * 4;
  const [ahead, back] = [footprint(forward), footprint(backward)];
  const others = [
    headFootprint(c, s, numbers),
    footprint(embeddingGraph(c, rowTotal(s), false, numbers)),
    footprint(adamWGraph(size, OPTIMISER)),
  ];
  const again = { ...back, working: back.working * (memory.keep ? 1 : AGAIN) };
  const runs = [ahead, again, ...others].map((f) => ({ bytes: f.inputs + f.constants + f.working, ...f }));
  const [longest] = runs.sort((a, b) => b.bytes - a.bytes);
  return {
    run: longest?.bytes ?? 0,
    handedIn: longest?.inputs ?? 0,
    units: 9 * size * c.layers * 4,
    trace: Math.ceil(c.layers / layers) * ahead.outputs + x + responseTotal(s) * c.hiddenSize * 4,
    rows: rowTotal(s),
    pieces,
    largest: Math.max(...runs.map((f) => f.largest)),
  };
}

/** The head of a few chunks stands for the head of many: a chunk's memory is free before the next begins. */
function headFootprint(c: ModelConfig, s: Geometry, numbers: Numbers) {
  const total = responseTotal(s);
  const [chunk = total] = headChunks(total, c.vocabSize);
  const rows = Math.min(total, 2 * chunk);
  const few = { groups: 1, promptRows: s.promptRows, lanes: 1, laneRows: rows, shared: false };
  const f = footprint(frozenHeadGraph(c, few, true, numbers));
  const more = (total - rows) * c.hiddenSize * 4;
  return {
    ...f,
    inputs: f.inputs + more,
    working: f.working + more,
    largest: Math.max(f.largest, total * c.hiddenSize * 4),
  };
}

export interface SamplingBytes {
  /** Reading prompts, without weights. */
  readonly prefill: number;
  /** Drawing a token a row, without weights and cache. */
  readonly step: number;
  /** Weights as a graph's inputs. */
  readonly weights: number;
  /** Keys and values of all rows at the end of their answers, the prompt's with each. */
  readonly cache: number;
  readonly largest: number;
}

export function samplingBytes(
  c: ModelConfig,
  work: Workload,
  sampleRows: number,
  numbers: Numbers,
): SamplingBytes {
  return rememberSampling(c, [work, sampleRows, numbers], () =>
    measureSampling(c, work, sampleRows, numbers),
  );
}

function measureSampling(
  c: ModelConfig,
  work: Workload,
  sampleRows: number,
  numbers: Numbers,
): SamplingBytes {
  const tokens = Math.min(work.maxTokens, c.contextLength);
  const promptTokens = Math.min(work.promptTokens, c.contextLength);
  const most = promptTokens + tokens;
  const room = numbers.gpu ? stepRoom(most, c.contextLength) : Math.min(most, c.contextLength);
  const kinds = kindsWithin(c.layerKinds, room);
  const shape = { slice: sliceWithin(SLICE, kinds), kinds };
  const rule = { temperature: 1, topP: 1, topK: 0 };
  const model = (g: Graph) => inputModel(g, c, null, numbers);
  const separate = (g: Graph) => {
    const values = model(g);
    return { model: values, layers: separateValues(g, c, values) };
  };
  const step = numbers.gpu
    ? footprint(stepGraph(c, { rows: sampleRows, room, kinds: shape.kinds }, rule, null, model))
    : footprint(roundGraph(c, shape, rule, separate), {
        rows: sampleRows,
        rounds: SLICE,
        past: room,
        recent: SLICE - 1,
        free: 0,
        places: room,
      });
  const length = padLength(Math.max(1, promptTokens - 1));
  const prompts = promptsTogether(length);
  const read = footprint(prefillGraph(c, length, kindsWithin(c.layerKinds, length), model, !numbers.gpu), {
    prompts,
    tokens: prompts * length,
  });
  const cacheToken = 2 * c.layers * c.kvHeads * c.headDim * 4;
  return {
    prefill: read.working,
    step: step.working,
    weights: modelWeights(c).reduce((sum, weight) => sum + weightBytes(numbers.precision, weight), 0),
    cache: sampleRows * (room + SLICE) * cacheToken,
    largest: Math.max(read.largest, step.largest),
  };
}
