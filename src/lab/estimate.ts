/** What a lab would cost, before it starts: time, tokens, storage and memory, and why it must not start. */
import { HEAP_LIMIT } from '../model/fit.ts';
import type { RunConfig } from '../pipeline/config.ts';
import { type Fit, plan as fitOf, type Limits, lengthsOf } from '../pipeline/fit.ts';
import { prepareData } from '../pipeline/prepare.ts';
import type { Dataset, PreparedData } from '../pipeline/types.ts';
import { amountOf, labLengths } from './amounts.ts';
import { Clock, guessedSpeeds } from './clock.ts';
import { measureSpeeds } from './measure.ts';
import { checkLab, type LabContext } from './run.ts';
import { groupKey, mostDemanding } from './run-opened.ts';
import { bytesOf } from './sizes.ts';
import { splitHeldOut } from './split.ts';
import type { LabEstimate, LabManifest } from './types.ts';
import { openKey, planWork, type WorkPlan } from './work.ts';

type Opened = Awaited<ReturnType<LabContext['open']>>;

/**
 * Of what is not done yet.
 *
 * @param measure computes a few batches first, which takes some seconds; else speeds are guessed from the model's size.
 *   Models of a grid that are not the lab's own are opened, and their memory counted, only where it is set
 * @throws ConfigError where the lab can't be computed whatever it costs
 */
export async function estimateLab(
  context: Pick<LabContext, 'store' | 'dataset' | 'open' | 'reward' | 'signal' | 'now' | 'room'>,
  { measure }: { readonly measure: boolean },
): Promise<LabEstimate> {
  const [manifest, dataset] = [await context.store.manifest(), await context.dataset()];
  checkLab(manifest, dataset);
  const plan = planWork(manifest, dataset.fingerprint);
  const opened = await context.open(manifest.config);
  const data = await dataFor(context, manifest, plan, opened, dataset);
  const lengths = labLengths(data, manifest, 'working');
  const fits = await fitsOf(context, manifest, plan, data, measure);
  const guess = guessedSpeeds(opened.model.info.parameterCount);
  const memory = fits[0]?.fit.memory;
  const { signal, now, reward } = context;
  // What doesn't fit is not tried out.
  const measured = measure && memory !== undefined && fits.every(({ fit }) => fit.fits);
  const scored = manifest.rewardModel !== undefined && reward !== undefined;
  const { model, embedder } = opened;
  const on = { model, embedder, signal, now, ...(scored && { reward }) };
  const speeds = measured ? await measureSpeeds({ ...on, memory }, manifest.config, data, guess) : guess;
  const seconds = new Clock(plan, lengths, speeds).seconds(manifest.pieces);
  const left = plan.works.filter(({ key }) => manifest.pieces[key]?.state !== 'done');
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
  const bytes = sum(left.map((work) => bytesOf(work, plan, lengths, opened.model.config)));
  const bytesFree = (await context.room?.()) ?? null;
  const problem = problemOf(fits, bytes, bytesFree);
  const amounts = left.map((work) => amountOf(work, plan, lengths));
  return {
    pieces: left.map(({ key, label, kind }) => ({ label, kind, seconds: seconds.get(key) ?? 0 })),
    seconds: sum(left.map(({ key }) => seconds.get(key) ?? 0)),
    tokens: Math.round(sum(amounts.map(({ trained, sampled, scored }) => trained + sampled + scored))),
    bytes: Math.round(bytes),
    bytesFree,
    memoryBytes: Math.max(0, ...fits.map(({ fit }) => fit.need.peak)),
    data: promptsOf(data, manifest),
    measured,
    ...(problem !== null && { problem }),
  };
}

function promptsOf({ train, heldOut }: PreparedData, manifest: LabManifest): LabEstimate['data'] {
  const { working, final } = splitHeldOut(heldOut, manifest);
  return { train: train.length, working: working.length, final: final.length };
}

/** As stored, or read now and not stored. */
async function dataFor(
  { store }: Pick<LabContext, 'store'>,
  { config, pieces }: LabManifest,
  plan: WorkPlan,
  { model }: Opened,
  dataset: Dataset,
): Promise<PreparedData> {
  const own = plan.works.find((work) => work.kind === 'data' && openKey(work.config) === openKey(config));
  const stored = own && pieces[own.key]?.state === 'done' ? await store.piece(own.key).prepared() : undefined;
  return stored ?? prepareData(dataset, model.tokenizer, model.info.contextLength, config);
}

interface FitOfArms {
  readonly config: RunConfig;
  readonly fit: Fit;
}

/** Of every model and adapter that pieces are computed with; the lab's own first. */
async function fitsOf(
  { open }: Pick<LabContext, 'open'>,
  { config }: LabManifest,
  { works }: WorkPlan,
  data: PreparedData,
  others: boolean,
): Promise<FitOfArms[]> {
  const groups = new Map<string, RunConfig>();
  for (const one of [config, ...works.map((work) => work.config)])
    if (!groups.has(groupKey(one))) groups.set(groupKey(one), mostDemanding(one, works));
  const found: FitOfArms[] = [];
  const isOwn = (one: RunConfig) => openKey(one) === openKey(config);
  const own = [...groups.values()].filter(isOwn);
  const elsewhere = [...groups.values()].filter((one) => !isOwn(one));
  for (const one of [...own, ...(others ? elsewhere : [])]) {
    const { model, limits } = await open(one);
    const backend = model.device.backend === 'webgpu' ? 'webgpu' : 'wasm';
    found.push({ config: one, fit: fitOf(model.config, one, lengthsOf(data), limits ?? UNLIMITED[backend]) });
  }
  // The lab's own model is the one that is measured next.
  if (others && elsewhere.length > 0) await open(config);
  return found;
}

const unlimited = (backend: Limits['backend']): Limits => ({
  ...{ backend, float16: true, heap: HEAP_LIMIT },
  ...{ maxBuffer: null, storageLeft: null, deviceMemory: null },
});

/** Where a host tells nothing of its device. */
const UNLIMITED = { webgpu: unlimited('webgpu'), wasm: unlimited('wasm') };

const megabytes = (bytes: number): string =>
  `${(Math.max(0, bytes) / 1e6).toLocaleString('en', { maximumFractionDigits: 0 })} MB`;

function problemOf(fits: readonly FitOfArms[], bytes: number, free: number | null): string | null {
  const unfit = fits.find(({ fit }) => !fit.fits);
  if (unfit) {
    const { fit, config } = unfit;
    const nearest = fit.suggestions.map(
      ({ words, changes }) => `${words} (${changes.map(({ key, value }) => `${key}=${value}`).join(' ')})`,
    );
    const advice = nearest.length > 0 ? `What would fit: ${nearest.join(' ')}` : 'Choose a smaller model.';
    return `The lab does not fit this device with the model ${config.model} and dpo.negatives = ${config.dpo.negatives}. ${fit.problems.join(' ')} ${advice}`;
  }
  if (free === null || bytes <= free) return null;
  return `The lab would store about ${megabytes(bytes)}, but this browser leaves the page ${megabytes(free)}. Compare fewer arms or seeds, sample fewer answers (sample.n), train on fewer prompts (data.limit), or delete runs and labs you no longer need.`;
}
