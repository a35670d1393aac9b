/**
 * What the page knows of one run: a pure reducer over run events and stored records. No DOM, no signals, no
 * storage here, so that a test can replay a run in a few lines. Signals are in signals.ts.
 */
import type { DeviceInfo, ModelInfo } from '../engine/types.ts';
import type { RunConfig } from '../pipeline/config.ts';
import {
  COMPUTED,
  type MetricRecord,
  type Progress,
  type PromptResponses,
  type ResponseRecord,
  type RunEvent,
  type RunManifest,
  STAGES,
  type Stage,
  type StageState,
} from '../pipeline/types.ts';
import { type Counts, type StoredRun, storedProgress, takenUp } from './stored-progress.ts';

export type TrainStage = 'sft' | 'dpo';

export interface StageView {
  readonly state: StageState;
  /** The stage's own words on how it ended, where this sitting saw it end. */
  readonly summary: string;
  /** Last progress, of this sitting or as stored; kept after the stage ends for its rate. */
  readonly progress: Progress | null;
}

/** The preview prompts answered at one optimiser step. */
export interface Preview {
  readonly step: number;
  readonly answers: readonly { readonly prompt: string; readonly text: string }[];
}

/** An answer as it is shown: its tokens are the half of it that no one looks at, and stay in storage. */
export type ShownResponse = Omit<ResponseRecord, 'tokenIds'>;

export interface ShownResponses {
  readonly index: number;
  readonly responses: readonly ShownResponse[];
}

export function shown({ index, responses }: PromptResponses): ShownResponses {
  return { index, responses: responses.map(({ tokenIds: _tokenIds, ...rest }) => rest) };
}

export interface RunView {
  readonly manifest: RunManifest | null;
  readonly stages: Readonly<Record<Stage, StageView>>;
  readonly metrics: Readonly<Record<TrainStage, readonly MetricRecord[]>>;
  readonly previews: Readonly<Record<TrainStage, readonly Preview[]>>;
  readonly counts: Counts | null;
  /** By prompt index; holes where a prompt is not sampled yet. */
  readonly responses: readonly (ShownResponses | undefined)[];
  /** Prompt index of the answers that arrived last, this sitting. */
  readonly latest: number | null;
  readonly warnings: readonly string[];
  readonly device: DeviceInfo | null;
  readonly model: ModelInfo | null;
}

const WAITING: StageView = { state: 'waiting', summary: '', progress: null };

/** A record with one entry a stage. */
export function perStage<T>(entry: (stage: Stage) => T): Record<Stage, T> {
  return {
    model: entry('model'),
    data: entry('data'),
    sft: entry('sft'),
    sample: entry('sample'),
    filter: entry('filter'),
    dpo: entry('dpo'),
    evaluate: entry('evaluate'),
  };
}

export const EMPTY_VIEW: RunView = {
  manifest: null,
  stages: perStage(() => WAITING),
  metrics: { sft: [], dpo: [] },
  previews: { sft: [], dpo: [] },
  counts: null,
  responses: [],
  latest: null,
  warnings: [],
  device: null,
  model: null,
};

/**
 * The view of a run read from storage. A stage that was running when the page was left is shown as waiting:
 * nothing works on it until it is resumed.
 */
export function viewOf(stored: StoredRun): RunView {
  const { manifest } = stored;
  const responses: (ShownResponses | undefined)[] = [];
  for (const record of stored.responses) responses[record.index] = record;
  return {
    ...EMPTY_VIEW,
    manifest,
    stages: perStage((stage) => ({
      ...WAITING,
      state: atRest(manifest.stages[stage]),
      progress: storedProgress(stored, stage),
    })),
    metrics: { sft: stored.sft, dpo: stored.dpo },
    counts: stored.counts,
    responses,
    warnings: manifest.report?.warnings ?? [],
    device: manifest.device ?? null,
    model: manifest.model ?? null,
  };
}

/** Folds events that arrived together; the arrays are copied once a batch and not once an event. */
export function reduceEvents(view: RunView, events: readonly RunEvent[]): RunView {
  const answers = events.flatMap((event) => (event.type === 'responses' ? [event] : []));
  let next = view;
  for (const event of events) next = reduce(next, event);
  const last = answers.at(-1);
  if (last === undefined) return next;
  const responses = [...next.responses];
  for (const event of answers) responses[event.record.index] = shown(event.record);
  return { ...next, responses, latest: last.record.index };
}

function reduce(view: RunView, event: RunEvent): RunView {
  switch (event.type) {
    case 'stage': {
      const before = view.stages[event.stage];
      const progress = event.state === 'running' ? takenUp(before.progress) : before.progress;
      return withStage(view, event.stage, { state: event.state, summary: event.summary, progress });
    }
    case 'progress': {
      const { progress } = event;
      const before = view.stages[progress.stage];
      return withStage(view, progress.stage, { ...before, progress });
    }
    case 'metric': {
      const { metric } = event;
      const metrics = appendStep(view.metrics[metric.stage], metric);
      return { ...view, metrics: { ...view.metrics, [metric.stage]: metrics } };
    }
    case 'preview': {
      const preview = { step: event.step, answers: event.answers };
      const previews = appendStep(view.previews[event.stage], preview);
      return { ...view, previews: { ...view.previews, [event.stage]: previews } };
    }
    case 'prepared':
      return { ...view, counts: { train: event.train, heldOut: event.heldOut, refused: event.refused } };
    case 'device':
      return { ...view, device: event.device, model: event.model };
    case 'warning':
      return view.warnings.includes(event.message)
        ? view
        : { ...view, warnings: [...view.warnings, event.message] };
    case 'manifest':
      return withManifest(view, event.manifest);
    case 'self-check':
      return view.manifest === null
        ? view
        : { ...view, manifest: { ...view.manifest, selfCheck: event.check } };
    case 'responses':
      return view; // folded in one go by reduceEvents
  }
}

/**
 * Appends a record of an optimiser step. A run resumed from a checkpoint repeats the steps after it, so records
 * from that step on are replaced.
 */
export function appendStep<T extends { readonly step: number }>(
  records: readonly T[],
  record: T,
): readonly T[] {
  const last = records.at(-1);
  if (last === undefined || last.step < record.step) return [...records, record];
  return [...records.filter((each) => each.step < record.step), record];
}

/** The manifest's word on stages wins, but figures of this sitting stay. */
export function withManifest(view: RunView, manifest: RunManifest): RunView {
  return {
    ...view,
    manifest,
    stages: perStage((stage) => ({ ...view.stages[stage], state: manifest.stages[stage] })),
    device: manifest.device ?? view.device,
    model: manifest.model ?? view.model,
    warnings: [...new Set([...view.warnings, ...(manifest.report?.warnings ?? [])])],
  };
}

/** Shows every running stage as waiting: the work was stopped at a safe point. */
export function settled(view: RunView): RunView {
  return {
    ...view,
    stages: perStage((stage) => ({ ...view.stages[stage], state: atRest(view.stages[stage].state) })),
  };
}

/** Forgets what `stage` and those after it have shown, before they are redone. */
export function clearedFrom(view: RunView, stage: Stage): RunView {
  const from = STAGES.indexOf(stage);
  const gone = (other: Stage) => STAGES.indexOf(other) >= from;
  return {
    ...view,
    stages: perStage((each) => (gone(each) ? WAITING : view.stages[each])),
    metrics: { sft: gone('sft') ? [] : view.metrics.sft, dpo: gone('dpo') ? [] : view.metrics.dpo },
    previews: { sft: gone('sft') ? [] : view.previews.sft, dpo: gone('dpo') ? [] : view.previews.dpo },
    counts: gone('data') ? null : view.counts,
    responses: gone('sample') ? [] : view.responses,
    latest: gone('sample') ? null : view.latest,
    warnings: [],
  };
}

function withStage(view: RunView, stage: Stage, next: StageView): RunView {
  return { ...view, stages: { ...view.stages, [stage]: next } };
}

function atRest(state: StageState): StageState {
  return state === 'running' ? 'waiting' : state;
}

/** Whether anything of the run is stored beyond its settings: it can be resumed and not only started. */
export function isStarted(view: RunView): boolean {
  const { stages, metrics, responses } = view;
  return (
    STAGES.some((stage) => stages[stage].state !== 'waiting') || metrics.sft.length + responses.length > 0
  );
}

export function isFinished(view: RunView): boolean {
  return STAGES.every((stage) => view.stages[stage].state === 'done');
}

/** The stage at work, or the first that is not done. */
export function currentStage(view: RunView): Stage | null {
  return (
    STAGES.find((stage) => view.stages[stage].state === 'running') ??
    STAGES.find((stage) => view.stages[stage].state !== 'done') ??
    null
  );
}

/** Rough shares of a run's time, for the one percentage in the tab's title. */
const SHARE: Readonly<Record<Stage, number>> = {
  model: 3,
  data: 1,
  sft: 15,
  sample: 33,
  filter: 5,
  dpo: 33,
  evaluate: 10,
};

/** 0..1 over the whole run. */
export function overallShare(view: RunView): number {
  let sum = 0;
  for (const stage of STAGES) {
    const { state, progress } = view.stages[stage];
    if (state === 'done') sum += SHARE[stage];
    else if (progress !== null && progress.total > 0) {
      sum += SHARE[stage] * Math.min(1, progress.done / progress.total);
    }
  }
  return sum / 100;
}

/** Every answer that has a similarity, as the filter's histogram wants it. */
export function similarities(responses: RunView['responses']): number[] {
  const values: number[] = [];
  for (const record of responses) {
    for (const response of record?.responses ?? []) {
      if (response.similarity !== undefined) values.push(response.similarity);
    }
  }
  return values;
}

/** Whether a stage has anything stored, finished or not. */
export function stageStarted(view: RunView, stage: Stage): boolean {
  if (view.stages[stage].state !== 'waiting' || view.manifest?.stages[stage] === 'running') return true;
  if (stage === 'sft' || stage === 'dpo') return view.metrics[stage].length > 0;
  return stage === 'sample' && view.responses.length > 0;
}

/** The manifest without what `stage` and those after it have left in it. */
export function clearedManifest(manifest: RunManifest, stage: Stage): RunManifest {
  const from = STAGES.indexOf(stage);
  const gone = (other: string) => STAGES.slice(from).some((each) => each === other);
  const keep = <T>(record: Readonly<Record<string, T>>) =>
    Object.fromEntries(Object.entries(record).filter(([name]) => !gone(name)));
  const { error: _error, report, model, device, embedder, memory, ...kept } = manifest;
  const stages = perStage((each): StageState => (gone(each) ? 'waiting' : manifest.stages[each]));
  // Whose results are stored matters only while they are.
  const rest = {
    ...kept,
    ...(gone('model') ? {} : { model, device }),
    // A filter that is redone has the similarities of the answers that stay.
    ...(gone('sample') ? {} : { embedder }),
    // Chosen anew for the settings unless a stage that stays may be under way with it.
    ...(COMPUTED.every((each) => gone(each) || manifest.stages[each] === 'done') ? {} : { memory }),
  };
  const cleared = { ...rest, stages, seconds: keep(manifest.seconds) };
  if (report === undefined || from <= STAGES.indexOf('sft')) return cleared;
  const evaluation = { heldOut: {}, winRateVsSft: null, judge: null };
  return { ...cleared, report: { stages: keep(report.stages), evaluation, warnings: [] } };
}

/** The manifest with other settings, without what `from` and the stages after it have left; null clears nothing. */
export function changedManifest(manifest: RunManifest, config: RunConfig, from: Stage | null): RunManifest {
  const { memory, ...kept } = from === null ? manifest : clearedManifest(manifest, from);
  const same = JSON.stringify(config.memory) === JSON.stringify(manifest.config.memory);
  return { ...kept, ...(same ? { memory } : {}), config };
}
