/** A run's own report, in the form of a lab's: three arms, one seed. */
import { promptKey } from '../pipeline/prepare.ts';
import {
  type Arm,
  type PreparedData,
  type PromptResponses,
  type RunManifest,
  type RunStore,
  STAGES,
  type Stage,
} from '../pipeline/types.ts';
import { falseNegatives } from './diagnosis/false-negatives.ts';
import { signBefore, signsOf } from './diagnosis/index.ts';
import type { ArmRun, LabInput } from './inputs.ts';
import { summarise } from './summary.ts';
import type { ArmAnswers, ArmSpec, LabManifest, LabReport, PlanInfo } from './types.ts';

const SFT: ArmSpec = { id: 'sft', name: 'SFT', policy: { kind: 'sft' } };
const BASE: ArmSpec = { id: 'base', name: 'base model', policy: { kind: 'base' } };
const SELF_CONTRAST: ArmSpec = {
  id: 'self-contrast',
  name: 'Self-Contrast',
  policy: { kind: 'dpo', from: { kind: 'sft' }, negatives: { source: 'own' } },
};

const PLAN: PlanInfo = {
  id: 'baselines',
  title: 'This run',
  question: 'Does Self-Contrast beat SFT and the model as it was?',
  claim: 'Self-Contrast beats SFT.',
  arms: [SFT.id, BASE.id, SELF_CONTRAST.id],
};

/** Each arm, what the run calls it, and the stages on its way. */
const ARMS: readonly { spec: ArmSpec; arm: Arm; last?: 'sft' | 'dpo'; stages: readonly Stage[] }[] = [
  { spec: BASE, arm: 'base', stages: ['evaluate'] },
  { spec: SFT, arm: 'sft', last: 'sft', stages: ['sft', 'evaluate'] },
  {
    spec: SELF_CONTRAST,
    arm: 'selfContrast',
    last: 'dpo',
    stages: ['sft', 'sample', 'filter', 'dpo', 'evaluate'],
  },
];

/** Prompts whose sampled answers are looked at: all answers of a large run would not fit into memory. */
const LOOKED_AT = 2000;

const NAMES: Readonly<Record<Stage, string>> = {
  model: 'Model',
  data: 'Data',
  sft: 'SFT',
  sample: 'Sampling',
  filter: 'Filter',
  dpo: 'DPO',
  evaluate: 'Evaluation',
};

/** What is known of a run by now; every stage of it may still be to come. */
export async function runReport(
  store: RunStore,
  versions: Readonly<Record<string, string>>,
): Promise<LabReport> {
  const [manifest, dataset, data] = [await store.manifest(), await store.dataset(), await store.prepared()];
  const { config, stages, seconds } = manifest;
  const seed = config.seed;
  const answers = stages.evaluate === 'done' ? await answersOf(store, seed) : [];
  const runs: ArmRun[] = [];
  for (const { spec, last, stages: way } of ARMS) {
    const metrics = last ? await store.metrics(last) : [];
    runs.push({
      arm: spec.id,
      seed,
      ...stateOf(manifest, way),
      ...costOf(manifest, way, last),
      metrics,
      config,
    });
  }
  const responses = stages.sample === 'done' ? await store.responses(0, LOOKED_AT) : [];
  const input: LabInput = {
    manifest: labOf(manifest),
    split: 'working',
    data: {
      name: dataset.name,
      fingerprint: dataset.fingerprint,
      train: data?.train.length ?? 0,
      working: data?.heldOut.length ?? 0,
      final: 0,
    },
    heldOut: data?.heldOut ?? [],
    runs,
    answers,
    verdicts: [],
    keys: [],
    diagnosis: data ? diagnosisOf(manifest, data, responses) : {},
    signs: signsOfRun(manifest, responses, runs, answers),
    versions,
    at: Date.now(),
  };
  return {
    ...summarise(input),
    seconds: Object.values(seconds).reduce((sum, x) => sum + x, 0),
    timings: STAGES.flatMap((stage) => {
      const spent = seconds[stage];
      return spent === undefined ? [] : [{ label: NAMES[stage], seconds: spent }];
    }),
  };
}

/** The run as if it were a lab. */
function labOf(manifest: RunManifest): LabManifest {
  const { id, name, created, config, datasetId, model, device, embedder, memory } = manifest;
  return {
    ...{ id, name, created, config, datasetId, model, device, embedder, memory },
    plans: [PLAN],
    arms: ARMS.map(({ spec }) => spec),
    seeds: [config.seed],
    finalShare: 0,
    looks: [],
    marks: [],
    pieces: {},
  };
}

async function answersOf(store: RunStore, seed: number): Promise<ArmAnswers[]> {
  const all = await store.evaluation();
  return ARMS.flatMap(({ spec, arm }) => {
    const records = all.filter((record) => record.arm === arm).sort((a, b) => a.index - b.index);
    return records.length === 0 ? [] : [{ arm: spec.id, seed, records }];
  });
}

function stateOf({ stages, error }: RunManifest, way: readonly Stage[]): Pick<ArmRun, 'state' | 'error'> {
  const failed = way.find((stage) => stages[stage] === 'failed');
  if (failed)
    return { state: 'failed', error: `${NAMES[failed]}: ${error?.message ?? 'for no reason given'}` };
  if (way.every((stage) => stages[stage] === 'done')) return { state: 'done' };
  return { state: way.some((stage) => stages[stage] !== 'waiting') ? 'running' : 'waiting' };
}

/** The evaluation's time is shared by the arms. */
function costOf(
  { report, seconds }: RunManifest,
  way: readonly Stage[],
  last: 'sft' | 'dpo' | undefined,
): Pick<ArmRun, 'figures' | 'seconds'> {
  const spent = (stage: Stage) => (seconds[stage] ?? 0) / (stage === 'evaluate' ? ARMS.length : 1);
  const figures = Object.entries((last && report?.stages[last]) ?? {}).flatMap(([key, value]) =>
    typeof value === 'string' ? [] : [[key, value] as const],
  );
  return {
    figures: Object.fromEntries(figures),
    seconds: way.reduce((sum, stage) => sum + spent(stage), 0),
  };
}

function diagnosisOf(
  { config }: RunManifest,
  data: PreparedData,
  responses: readonly PromptResponses[],
): LabReport['diagnosis'] {
  const marks = responses.flatMap((record) => {
    const row = data.train[record.index];
    const good = record.responses.filter(({ excluded }) => excluded);
    return row ? good.map(({ text }) => ({ prompt: promptKey(row), text })) : [];
  });
  const found = falseNegatives({ config, data, responses, marks });
  return found ? { falseNegatives: found } : {};
}

function signsOfRun(
  { config }: RunManifest,
  responses: readonly PromptResponses[],
  runs: readonly ArmRun[],
  answers: readonly ArmAnswers[],
): LabReport['signs'] {
  const of = (arm: string) => answers.find((one) => one.arm === arm);
  const after = runs.flatMap((run) =>
    signsOf(run, { answers: of(run.arm), sft: of(SFT.id) }).map((sign) => ({ ...sign, arm: run.arm })),
  );
  return [
    ...(responses.length > 0
      ? [signBefore(responses, { n: config.sample.n, negatives: config.dpo.negatives })]
      : []),
    ...after,
  ];
}
