/** How each kind of piece is computed: by the stage functions of a run, on the records of several pieces. */
import type { AdapterWeights } from '../engine/types.ts';
import { seedOf } from '../model/random.ts';
import type { RunConfig } from '../pipeline/config.ts';
import type { Context } from '../pipeline/context.ts';
import { runDpo } from '../pipeline/dpo.ts';
import { sampleArm, scoreArm } from '../pipeline/evaluate.ts';
import { compareAll, FilterError } from '../pipeline/negatives.ts';
import { prepareData, promptKey } from '../pipeline/prepare.ts';
import { checkRoom } from '../pipeline/room.ts';
import { runSample } from '../pipeline/sample.ts';
import { runSft } from '../pipeline/sft.ts';
import { responseSlices } from '../pipeline/slices.ts';
import type { Arm, Dataset, PairRecord, PreparedData, PromptResponses } from '../pipeline/types.ts';
import { equalEpochs, promptTokens, type StepTokens, targetTokens } from './compute.ts';
import { drawOf } from './pools.ts';
import type { Workbench } from './run-opened.ts';
import { splitHeldOut } from './split.ts';
import type { LabManifest, Piece } from './types.ts';
import type {
  AnswersWork,
  DataWork,
  DpoWork,
  EvaluationWork,
  PolicyWork,
  SftWork,
  WorkPlan,
} from './work.ts';

type Figures = Piece['figures'];
type Emit = Context['emit'];

/** Prompts over which the final rewards of an arm are taken. */
const REWARDED = 128;
/** Prompts read at a time. */
const SLICE = 32;

export interface Job {
  readonly bench: Workbench;
  readonly plan: WorkPlan;
  readonly manifest: LabManifest;
  readonly dataset: Dataset;
  readonly emit: Emit;
}

export async function computeData({ bench, dataset }: Job, work: DataWork): Promise<Figures> {
  const { model } = await bench.open(work.config);
  const prepared = prepareData(dataset, model.tokenizer, model.info.contextLength, work.config);
  await bench.checkFit(work.config, prepared);
  await bench.context.store.piece(work.key).savePrepared(prepared);
  return {
    train: prepared.train.length,
    heldOut: prepared.heldOut.length,
    refused: prepared.refused.length,
  };
}

/** Nobody watches previews of a lab. */
const trainingOnly = (data: PreparedData): PreparedData => ({ ...data, heldOut: [] });

export async function computeSft(job: Job, work: SftWork): Promise<Figures> {
  const { bench } = job;
  const data = await bench.prepared(work.data);
  const config = work.as ? await longerSft(job, work, work.as, data) : work.config;
  const context = await bench.stageContext({ ...work, config }, data, work.data, {}, job.emit);
  await checkRoom(context, 'sft', work.label);
  return { epochs: config.sft.epochs, ...(await runSft(context, trainingOnly(data))) };
}

/** The settings with as many epochs as the other policy's way costs. */
async function longerSft(job: Job, work: SftWork, as: string, data: PreparedData): Promise<RunConfig> {
  const epochs = equalEpochs(await wayTo(job, as, data), data.train);
  return { ...work.config, sft: { ...work.config.sft, epochs } };
}

/** What the steps to a policy took, by what its pieces have stored. */
async function wayTo(job: Job, policy: string, data: PreparedData): Promise<StepTokens[]> {
  const { plan, bench } = job;
  const { pieces } = await bench.context.store.manifest();
  const tokens = (key: string): number => Number(pieces[key]?.figures.tokens ?? 0);
  const work = plan.byKey.get(policy);
  if (work?.kind !== 'policy') throw new Error('internal: no such policy');
  const trained = { trained: tokens(policy), sampled: 0, scored: 0 };
  if (work.stage === 'sft') return [trained];
  const pairs = await bench.context.store.piece(policy).pairs();
  const used = [...new Set(pairs.map(({ index }) => index))].flatMap((index) => data.train[index] ?? []);
  const answers = plan.byKey.get(work.answers);
  const own = answers?.kind === 'answers' && answers.source === 'own';
  const drawn = {
    trained: 0,
    sampled: own ? promptTokens(data.train) + tokens(work.answers) : 0,
    scored: targetTokens(used) + (own ? 0 : promptTokens(data.train) + tokens(work.answers)),
  };
  return [...(await wayTo(job, work.from, data)), drawn, trained];
}

export async function adapterOf({ bench, plan }: Job, policy: string): Promise<AdapterWeights> {
  const work = plan.byKey.get(policy);
  if (work?.kind !== 'policy') throw new Error('internal: no such policy');
  const checkpoint = await bench.context.store.piece(policy).checkpoint(work.stage);
  if (!checkpoint) throw new Error(`internal: ${work.label} left no adapter`);
  return checkpoint.state.parameters;
}

/** Samples of round 0 are those of a run with the same seed; every later policy has a seed of its own. */
const samplingSeed = ({ seed, round }: AnswersWork): number =>
  round === 0 ? seed : seedOf(seed, 'round', round);

export async function computeAnswers(job: Job, work: AnswersWork): Promise<Figures> {
  const { bench } = job;
  const data = await bench.prepared(work.data);
  const config = { ...work.config, seed: samplingSeed(work) };
  const own = bench.context.store.piece(work.key);
  const context = await bench.stageContext({ ...work, config }, data, work.data, { answers: own }, job.emit);
  await checkRoom(context, 'sample', work.label);
  const figures = await runSample(context, data, await adapterOf(job, work.policy));
  await compareAll(context, data);
  return figures;
}

export async function computeDpo(job: Job, work: DpoWork): Promise<Figures> {
  const { bench } = job;
  const { store } = bench.context;
  const data = await bench.prepared(work.data);
  const places = { answers: store.piece(work.answers), references: store.piece(work.from) };
  const context = await bench.stageContext(work, data, work.data, places, job.emit);
  await checkRoom(context, 'dpo', work.label);
  const drawn = await draw(context, data, work, job.manifest.marks);
  const figures = await runDpo(context, trainingOnly(data), await adapterOf(job, work.from), REWARDED);
  return { ...drawn, ...figures };
}

/** Stores the pairs of an arm; a moment's work, so that it is done again when the piece goes on. */
async function draw(
  { store, signal }: Context,
  data: PreparedData,
  { config, negatives, label }: DpoWork,
  marks: LabManifest['marks'],
): Promise<Record<string, number>> {
  const marked = new Set(marks.map(({ prompt, text }) => JSON.stringify([prompt, text])));
  const pairs: PairRecord[] = [];
  const counts = { prompts: 0, pool: 0, dropped: 0 };
  let similarity = 0;
  for await (const slice of responseSlices(store, SLICE)) {
    signal.throwIfAborted();
    for (const record of slice) {
      const asked = withMarks(record, data, marked);
      const { pairs: drawn, pool } = drawOf(
        asked,
        config.filter,
        config.dpo.negatives,
        negatives,
        config.seed,
      );
      if (drawn.length === 0) counts.dropped++;
      else counts.prompts++;
      for (const pair of drawn) pairs.push(pair);
      counts.pool += pool.length;
      for (const response of pool) similarity += record.responses[response]?.similarity ?? 0;
    }
  }
  await store.savePairs(pairs);
  if (pairs.length === 0)
    throw new FilterError(
      `${label}: no prompt has ${config.dpo.negatives} negatives left. Sample more answers, raise the temperature, raise filter.percent or lower dpo.negatives.`,
    );
  return { ...counts, meanSimilarityKept: similarity / Math.max(1, counts.pool) };
}

/** The record with the answers that the user found as good as the target marked as such. */
export function withMarks(
  record: PromptResponses,
  data: PreparedData,
  marked: ReadonlySet<string>,
): PromptResponses {
  const row = data.train[record.index];
  if (marked.size === 0 || !row) return record;
  const prompt = promptKey(row);
  const responses = record.responses.map((response) =>
    marked.has(JSON.stringify([prompt, response.text])) ? { ...response, excluded: true } : response,
  );
  return { ...record, responses };
}

/** What a lab's own records of the evaluation are called by: the kind of policy. */
const armOf = (policy: PolicyWork | null): Arm =>
  policy === null ? 'base' : policy.stage === 'sft' ? 'sft' : 'selfContrast';

export async function computeEvaluation(job: Job, work: EvaluationWork): Promise<Figures> {
  const { bench, plan } = job;
  const data = await bench.prepared(work.data);
  const rows = splitHeldOut(data.heldOut, job.manifest)[work.split];
  const policy = work.policy === null ? null : plan.byKey.get(work.policy);
  if (policy !== null && policy?.kind !== 'policy') throw new Error('internal: no such policy');
  const context = await bench.stageContext(work, data, work.data, {}, job.emit);
  await checkRoom(context, 'evaluate', work.label);
  const arm = armOf(policy);
  const adapter = work.policy === null ? null : await adapterOf(job, work.policy);
  const records = new Map((await context.store.evaluation()).map((r) => [r.index, r] as const));
  const total = rows.length * work.config.evaluate.samples;
  const started = context.now();
  const before = records.size * work.config.evaluate.samples;
  await sampleArm(context, rows, arm, adapter, records, (done) => {
    const seconds = (context.now() - started) / 1000;
    const rate = seconds > 0 ? (done - before) / seconds : 0;
    const secondsLeft = rate > 0 ? (total - done) / rate : null;
    const progress = {
      stage: 'evaluate',
      done,
      total,
      unit: 'answers',
      rate,
      secondsLeft,
      figures: {},
    } as const;
    job.emit({ type: 'progress', progress });
  });
  await scoreArm(context, rows, adapter, records);
  const answers = [...records.values()].flatMap((record) => record.answers);
  const tokens = answers.reduce((sum, answer) => sum + answer.tokens, 0);
  return { prompts: rows.length, answers: answers.length, tokens };
}
