/** From groups of token ids to padded micro-batches: which groups go together, and the tensors they become. */
import { type Geometry, MASKED, responseTotal, rowTotal, sees } from './block.ts';
import { type ModelConfig, ModelError, type RopeConfig, type RopeScaling, windowsOf } from './config.ts';

export interface GroupIds {
  readonly promptIds: readonly number[];
  readonly responseIds: readonly (readonly number[])[];
}

export interface MicroBatch {
  readonly geometry: Geometry;
  /** Which groups, in slot order; slots beyond are padding. */
  readonly members: readonly number[];
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
    const prompt = padLength(Math.max(1, ids.promptIds.length - 1));
    const responses = ids.responseIds.length;
    const most = Math.max(1, Math.floor((maxRows - prompt) / padLength(longest(ids))));
    const parts = Math.max(1, Math.ceil(responses / most));
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

/** Sorts groups by shape and packs those of one padded shape together, up to `maxRows` padded tokens. */
export function planMicroBatches(groups: readonly GroupIds[], maxRows: number): MicroBatch[] {
  const shapes = groups.map((group, index) => ({
    index,
    promptRows: padLength(Math.max(1, group.promptIds.length - 1)),
    responses: group.responseIds.length,
    responseRows: padLength(longest(group)),
  }));
  shapes.sort(
    (a, b) =>
      a.responses - b.responses ||
      a.responseRows - b.responseRows ||
      a.promptRows - b.promptRows ||
      a.index - b.index,
  );
  const batches: MicroBatch[] = [];
  let open: typeof shapes = [];
  const rowsOf = (members: typeof shapes): number => {
    const [first] = members;
    if (!first) return 0;
    const prompt = Math.max(...members.map((m) => m.promptRows));
    const response = Math.max(...members.map((m) => m.responseRows));
    return members.length * (prompt + first.responses * response);
  };
  const close = (): void => {
    const [first] = open;
    if (!first) return;
    batches.push({
      geometry: {
        groups: padCount(open.length),
        promptRows: Math.max(...open.map((m) => m.promptRows)),
        responses: first.responses,
        responseRows: Math.max(...open.map((m) => m.responseRows)),
      },
      members: open.map((m) => m.index),
    });
    open = [];
  };
  for (const shape of shapes) {
    const [first] = open;
    const grown = [...open, shape];
    // Other lengths start a new batch only where padding would waste more than a third: every new shape costs a
    // compilation.
    const useful = grown.reduce((sum, m) => sum + m.promptRows + m.responses * m.responseRows, 0);
    const wasteful = rowsOf(grown) > 1.5 * useful && open.length >= 4;
    if (first && (first.responses !== shape.responses || rowsOf(grown) > maxRows || wasteful)) close();
    open.push(shape);
  }
  close();
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
  /** One each of the model's windows (`windowsOf`): [G, 1, L, P + L], for a response row's window. */
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

/** First row of response `r` of group `group`. */
export function responseRow(s: Geometry, group: number, r: number): number {
  return (group * s.responses + r) * s.responseRows;
}

/** The host tensors of one micro-batch; see block.ts for the order of rows. */
export function batchTensors(
  c: ModelConfig,
  groups: readonly GroupIds[],
  { geometry: s, members }: MicroBatch,
): BatchTensors {
  const prompts = s.groups * s.promptRows;
  const ids = new Int32Array(rowTotal(s));
  const positions = new Int32Array(rowTotal(s));
  const labels = new Int32Array(responseTotal(s));
  members.forEach((member, slot) => {
    const group = groups[member];
    if (!group) throw new Error(`internal: no group ${member}`);
    const seen = group.promptIds.length - 1;
    for (let i = 0; i < seen; i++) {
      ids[slot * s.promptRows + i] = group.promptIds[i] ?? 0;
      positions[slot * s.promptRows + i] = i;
    }
    group.responseIds.forEach((response, r) => {
      const start = responseRow(s, slot, r);
      for (let i = 0; i < response.length; i++) {
        ids[prompts + start + i] = (i === 0 ? group.promptIds[seen] : response[i - 1]) ?? 0;
        positions[prompts + start + i] = seen + i;
        labels[start + i] = response[i] ?? 0;
      }
    });
  });
  const prompt = members.map((member) => (groups[member]?.promptIds.length ?? 1) - 1);
  return {
    ids,
    rotations: c.rope.map((rope) => rotaryTable(rope, c.headDim, positions)),
    masks: windowsOf(c.layerKinds).map((window) => ({ window, mask: responseMask(s, prompt, window) })),
    labels,
  };
}

/**
 * What response rows see: [G, 1, L, P + L], 0 for a key within the window and MASKED else.
 *
 * @param prompts prompt rows in use, for each slot in use
 */
function responseMask(s: Geometry, prompts: readonly number[], window: number | null): Float32Array {
  const keys = s.promptRows + s.responseRows;
  const mask = new Float32Array(s.groups * s.responseRows * keys).fill(MASKED);
  for (let slot = 0; slot < s.groups; slot++) {
    // Slots without a group see themselves alone, so that they stay numbers.
    const seen = prompts[slot] ?? 0;
    for (let row = 0; row < s.responseRows; row++) {
      const start = (slot * s.responseRows + row) * keys;
      for (let key = 0; key < seen; key++) if (sees(seen + row - key, window)) mask[start + key] = 0;
      for (let key = 0; key <= row; key++) if (sees(row - key, window)) mask[start + s.promptRows + key] = 0;
    }
  }
  return mask;
}
