/** From groups of token ids to padded micro-batches: which groups go together, and the tensors they become. */
import { type Geometry, MASKED, maskShape, responseTotal, rowTotal, sees } from './block.ts';
import { type ModelConfig, ModelError, type RopeConfig, type RopeScaling, windowsOf } from './config.ts';
import { type Place, packLanes } from './lanes.ts';

export interface GroupIds {
  readonly promptIds: readonly number[];
  readonly responseIds: readonly (readonly number[])[];
}

export interface MicroBatch {
  readonly geometry: Geometry;
  /** Which groups, in slot order; slots beyond are padding. */
  readonly members: readonly number[];
  /** Where their responses lie. */
  readonly places: readonly (readonly Place[])[];
}

/** Lengths are padded up to one of these, so that few shapes are ever compiled. */
const LADDER = [8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 8192];

export function padLength(length: number): number {
  return LADDER.find((step) => step >= length) ?? Math.ceil(length / 4096) * 4096;
}

/** Some responses of a group with its prompt: what a micro-batch takes as one. */
export interface Piece {
  readonly group: number;
  readonly first: number;
  readonly count: number;
}

/**
 * Every group as one piece, or where it has more than `maxRows` padded tokens, as pieces of like size that have not
 * (but one response at least). Responses do not see one another, so what is computed of each stays the same.
 */
export function cutGroups(groups: readonly GroupIds[], maxRows: number): Piece[] {
  return groups.flatMap((ids, group) => {
    const shape = shapeOf(ids, group);
    const responses = ids.responseIds.length;
    const most = Math.max(1, Math.floor((maxRows - shape.promptRows) / shape.laneRows));
    const parts = rowTotal(arrange([shape]).geometry) <= maxRows ? 1 : Math.ceil(responses / most);
    const start = (part: number) => Math.round((part * responses) / parts);
    return Array.from({ length: parts }, (_, part) => ({
      group,
      first: start(part),
      count: start(part + 1) - start(part),
    }));
  });
}

const longest = (group: GroupIds): number => Math.max(...group.responseIds.map((r) => r.length));

/** @throws ModelError for an empty prompt or response, or one beyond the context, naming the group */
export function checkGroups(groups: readonly GroupIds[], contextLength: number): void {
  groups.forEach((group, index) => {
    check(group, index, contextLength);
  });
}

/** A group's lengths: P padded, and each response's. */
interface GroupShape {
  readonly index: number;
  readonly promptRows: number;
  readonly lengths: readonly number[];
  readonly laneRows: number;
}

function shapeOf(group: GroupIds, index: number): GroupShape {
  return {
    index,
    promptRows: padLength(Math.max(1, group.promptIds.length - 1)),
    lengths: group.responseIds.map((ids) => ids.length),
    laneRows: padLength(longest(group)),
  };
}

/** Lanes up to this length may be twice as long as the longest response: longer ones would cost more attention. */
const SHORT_LANES = 64;

/** These groups as one micro-batch, in lanes of the longest response or, where that takes a tenth fewer rows, of twice that. */
function arrange(shapes: readonly GroupShape[]): MicroBatch {
  const laneRows = Math.max(...shapes.map((m) => m.laneRows));
  const once = arrangeIn(shapes, laneRows);
  if (laneRows > SHORT_LANES) return once;
  const twice = arrangeIn(shapes, padLength(2 * laneRows));
  return rowTotal(twice.geometry) < 0.9 * rowTotal(once.geometry) ? twice : once;
}

function arrangeIn(shapes: readonly GroupShape[], laneRows: number): MicroBatch {
  const packed = shapes.map(({ lengths }) => packLanes(lengths, laneRows));
  const most = Math.max(...shapes.map(({ lengths }) => lengths.length));
  const lanes = Math.max(...packed.map(({ count }) => count));
  return {
    geometry: {
      groups: padCount(shapes.length),
      promptRows: Math.max(...shapes.map((m) => m.promptRows)),
      lanes: Math.min(most, padCount(lanes)),
      laneRows,
      shared: shapes.some(({ lengths }, i) => lengths.length > (packed[i]?.count ?? 0)),
    },
    members: shapes.map(({ index }) => index),
    places: packed.map(({ places }) => places),
  };
}

/** Sorts groups by shape and packs like ones together, up to `maxRows` padded tokens. */
export function planMicroBatches(groups: readonly GroupIds[], maxRows: number): MicroBatch[] {
  const rows = (shapes: readonly GroupShape[]): number => rowTotal(arrange(shapes).geometry);
  const shapes = groups.map((group, index) => {
    const shape = shapeOf(group, index);
    return { ...shape, rows: rows([shape]) };
  });
  shapes.sort((a, b) => a.laneRows - b.laneRows || a.rows - b.rows || a.index - b.index);
  const batches: MicroBatch[] = [];
  let open: typeof shapes = [];
  for (const shape of shapes) {
    const grown = [...open, shape];
    const padded = rows(grown);
    // Other lengths start a new batch only where padding would be more than half: every new shape costs a compilation.
    const wasteful = open.length >= 4 && padded > 2 * grown.reduce((sum, m) => sum + m.rows, 0);
    if (open.length > 0 && (padded > maxRows || wasteful)) {
      batches.push(arrange(open));
      open = [];
    }
    open.push(shape);
  }
  if (open.length > 0) batches.push(arrange(open));
  return batches;
}

/** Group counts are padded to powers of two and their middles, for the same reason as lengths. */
function padCount(n: number): number {
  let size = 1;
  while (size < n) size = size >= 2 && n <= size * 1.5 ? size * 1.5 : size * 2;
  return size;
}

function check(group: GroupIds, index: number, contextLength: number): void {
  if (group.promptIds.length === 0) throw new ModelError(`group ${index}: the prompt has no tokens`);
  if (group.responseIds.length === 0) throw new ModelError(`group ${index}: there is no response`);
  if (group.responseIds.some((r) => r.length === 0))
    throw new ModelError(`group ${index}: a response has no tokens`);
  const length = group.promptIds.length + longest(group);
  if (length > contextLength) {
    throw new ModelError(`group ${index}: ${length} tokens, but the model's context is ${contextLength}`);
  }
}

export interface BatchTensors {
  /** [rows] */
  readonly ids: Int32Array;
  /** One table each of the model's `rope`. */
  readonly rotations: readonly RotaryTable[];
  /** One each of the model's windows (`windowsOf`), of `maskShape`: for a response row's window. */
  readonly masks: readonly { readonly window: number | null; readonly mask: Float32Array }[];
  /** [M], M response rows; 0 where padded */
  readonly labels: Int32Array;
}

/** [rows, 1, headDim / 2] each. */
export interface RotaryTable {
  readonly cos: Float32Array;
  readonly sin: Float32Array;
}

/** Radians a position turns each pair of a head by: theta^(-2 i / headDim) for i < headDim / 2, scaled. */
export function rotaryFrequencies({ theta, scaling }: RopeConfig, headDim: number): number[] {
  return Array.from({ length: headDim / 2 }, (_, i) => scaled(theta ** ((-2 * i) / headDim), scaling));
}

function scaled(frequency: number, scaling: RopeScaling): number {
  switch (scaling.kind) {
    case 'none':
      return frequency;
    case 'linear':
      return frequency / scaling.factor;
    case 'llama3': {
      // Long wavelengths are stretched, short ones are not, and those between in part: as Llama 3.1 was trained
      // (Meta's llama-models, apply_scaling).
      const { factor, lowFrequency, highFrequency, originalContext } = scaling;
      const turns = (originalContext * frequency) / (2 * Math.PI);
      const kept = (turns - lowFrequency) / (highFrequency - lowFrequency);
      const share = Math.min(1, Math.max(0, kept));
      return share * frequency + (1 - share) * (frequency / factor);
    }
  }
}

export function rotaryTable(rope: RopeConfig, headDim: number, positions: ArrayLike<number>): RotaryTable {
  const frequencies = rotaryFrequencies(rope, headDim);
  const half = frequencies.length;
  const cos = new Float32Array(positions.length * half);
  const sin = new Float32Array(positions.length * half);
  for (let row = 0; row < positions.length; row++) {
    frequencies.forEach((frequency, i) => {
      const angle = (positions[row] ?? 0) * frequency;
      cos[row * half + i] = Math.cos(angle);
      sin[row * half + i] = Math.sin(angle);
    });
  }
  return { cos, sin };
}

/** First row of response `r` of the group in a slot, among the response rows. */
export function responseRow({ geometry: s, places }: MicroBatch, slot: number, r: number): number {
  const place = places[slot]?.[r];
  if (!place) throw new Error(`internal: no response ${r} in slot ${slot}`);
  return (slot * s.lanes + place.lane) * s.laneRows + place.first;
}

/** The host tensors of one micro-batch; see block.ts for the order of rows. */
export function batchTensors(c: ModelConfig, groups: readonly GroupIds[], batch: MicroBatch): BatchTensors {
  const { geometry: s, members } = batch;
  const prompts = s.groups * s.promptRows;
  const ids = new Int32Array(rowTotal(s));
  const positions = new Int32Array(rowTotal(s));
  const labels = new Int32Array(responseTotal(s));
  const spans: Span[] = [];
  members.forEach((member, slot) => {
    const group = groups[member];
    if (!group) throw new Error(`internal: no group ${member}`);
    const seen = group.promptIds.length - 1;
    for (let i = 0; i < seen; i++) {
      ids[slot * s.promptRows + i] = group.promptIds[i] ?? 0;
      positions[slot * s.promptRows + i] = i;
    }
    group.responseIds.forEach((response, r) => {
      const start = responseRow(batch, slot, r);
      for (let i = 0; i < response.length; i++) {
        ids[prompts + start + i] = (i === 0 ? group.promptIds[seen] : response[i - 1]) ?? 0;
        positions[prompts + start + i] = seen + i;
        labels[start + i] = response[i] ?? 0;
      }
      if (s.shared) spans.push({ start, length: response.length, seen });
    });
    // Where no lane is shared, one mask does for all responses of a group, as long as the longest may be.
    if (!s.shared) spans.push({ start: slot * s.laneRows, length: s.laneRows, seen });
  });
  return {
    ids,
    rotations: c.rope.map((rope) => rotaryTable(rope, c.headDim, positions)),
    masks: windowsOf(c.layerKinds).map((window) => ({ window, mask: responseMask(s, spans, window) })),
    labels,
  };
}

/** Rows of a mask, counted over all of its lanes, that see themselves and so many rows of their prompt. */
interface Span {
  readonly start: number;
  readonly length: number;
  readonly seen: number;
}

/** What response rows see: of `maskShape`, 0 for a key within the window and MASKED else. */
function responseMask(s: Geometry, spans: readonly Span[], window: number | null): Float32Array {
  const [masks, , rows, keys] = maskShape(s);
  const mask = new Float32Array(masks * rows * keys).fill(MASKED);
  // Rows of no response see themselves alone, so that they stay numbers.
  for (let row = 0; row < masks * rows; row++) mask[row * keys + s.promptRows + (row % rows)] = 0;
  for (const { start, length, seen } of spans) {
    for (let i = 0; i < length; i++) {
      const at = (start + i) * keys;
      const own = at + s.promptRows + (start % rows);
      for (let key = 0; key < seen; key++) if (sees(seen + i - key, window)) mask[at + key] = 0;
      for (let key = 0; key <= i; key++) if (sees(i - key, window)) mask[own + key] = 0;
    }
  }
  return mask;
}
