/** What the records of a project file must look like before they are stored: the page relies on it later. */
import * as v from 'valibot';
import { visible } from '../../model/text.ts';
import { parseConfig } from '../../pipeline/config.ts';
import { STAGES } from '../../pipeline/types.ts';
import { ProjectError } from './format.ts';

/** NaN as well: a loss may have become that. */
const number = v.custom<number>((value) => typeof value === 'number', 'Expected a number');
const index = v.pipe(v.number(), v.integer(), v.minValue(0));
const arrays = v.array(v.instance(Float32Array));
const state = v.picklist(['waiting', 'running', 'done', 'failed']);

const count = v.pipe(v.number(), v.integer(), v.minValue(1));
/** Sizes of what is computed together: steps of 0 would never end. */
const memory = v.object({ rows: count, segment: count, keep: v.boolean(), sampleRows: count });

const run = v.looseObject({
  id: v.string(),
  name: v.pipe(v.string(), v.maxLength(1000)),
  notes: v.optional(v.string()),
  created: number,
  changed: v.optional(number),
  datasetId: v.string(),
  memory: v.optional(memory),
  stages: v.object(v.entriesFromList(STAGES, state)),
  seconds: v.record(v.string(), number),
});

/** Records of stores that are not named here are only known to be whole. */
const RECORDS: Readonly<Record<string, v.GenericSchema>> = {
  runs: run,
  datasets: v.looseObject({
    id: v.string(),
    name: v.string(),
    fingerprint: v.string(),
    created: number,
    counts: v.looseObject({ rows: index, heldOut: index, refused: index, duplicates: index }),
  }),
  rows: v.array(v.looseObject({ prompt: v.string(), target: v.optional(v.string()) })),
  refused: v.array(v.looseObject({ line: index, reason: v.string() })),
  prepared: v.looseObject({
    train: index,
    heldOut: index,
    refused: index,
    lengths: v.array(v.tuple([index, index])),
  }),
  tokens: v.array(v.looseObject({ prompt: v.string(), promptIds: v.array(index) })),
  evaluation: v.looseObject({
    arm: v.picklist(['base', 'sft', 'selfContrast']),
    index,
    answers: v.array(v.looseObject({ text: v.string(), tokens: index })),
  }),
  responses: v.looseObject({
    index,
    responses: v.array(
      v.looseObject({ text: v.string(), tokenIds: v.array(index), logp: number, stopped: v.boolean() }),
    ),
  }),
  references: v.looseObject({ index, logp: number }),
  pairs: v.array(v.looseObject({ index, response: index })),
  metrics: v.looseObject({ stage: v.string(), step: index, values: v.record(v.string(), number) }),
  checkpoints: v.looseObject({
    stage: v.picklist(['sft', 'dpo']),
    step: index,
    totalSteps: index,
    state: v.looseObject({ step: index, parameters: arrays, m: arrays, v: arrays }),
  }),
  answers: v.array(v.looseObject({ prompt: v.string() })),
  folders: v.looseObject({
    name: v.string(),
    kind: v.picklist(['model', 'embedder', 'reward', 'adapter']),
    created: number,
    files: index,
    bytes: index,
  }),
  models: v.looseObject({ folder: v.string(), path: v.string(), data: v.instance(Blob) }),
};

/** @throws ProjectError */
export function checkRecord(store: string, value: unknown, folder: string): void {
  const schema = RECORDS[store];
  if (schema === undefined) return;
  const parsed = v.safeParse(schema, value);
  if (parsed.success) return;
  const [problem] = parsed.issues;
  const where = v.getDotPath(problem);
  throw new ProjectError(
    `A record in ${folder}/${store}.jsonl is not valid${where === null ? '' : ` at ${where}`}: ${problem.message}`,
  );
}

/** A record with its own id and the ids it names changed. */
export function renamed(
  store: string,
  value: unknown,
  id: string,
  names: Readonly<Record<'model' | 'dataset', ReadonlyMap<string, string>>>,
): unknown {
  if (!isObject(value)) return value;
  // Names stand within sentences of the page: none may reorder them.
  const name = typeof value.name === 'string' ? visible(value.name) : value.name;
  if (store === 'datasets') return { ...value, id, name };
  if (store === 'models') return { ...value, folder: id };
  if (store === 'folders') return { ...value, name: id };
  if (store !== 'runs') return value;
  const { config, datasetId } = value;
  return {
    ...value,
    id,
    name,
    datasetId: other(names.dataset, datasetId),
    config: settings(isObject(config) ? { ...config, ...folders(names.model, config) } : config),
  };
}

/** The stored folders that settings name, under their new names. */
function folders(names: ReadonlyMap<string, string>, config: Readonly<Record<string, unknown>>) {
  const adapter = 'adapter' in config ? { adapter: other(names, config.adapter) } : {};
  return { model: other(names, config.model), ...adapter };
}

/** Settings that an older page did not have take their defaults. */
function settings(config: unknown): unknown {
  try {
    const parsed = parseConfig(config);
    // Left as it is where nothing is missing: the order of its keys belongs to the record's fingerprint.
    return sorted(parsed) === sorted(config) ? config : parsed;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new ProjectError(`A run's settings are not valid: ${message}`, { cause: error });
  }
}

/** The same text for the same settings, in whatever order. */
function sorted(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    isObject(inner) ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))) : inner,
  );
}

const other = (names: ReadonlyMap<string, string>, name: unknown): unknown =>
  typeof name === 'string' ? (names.get(name) ?? name) : name;

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
