/** From stored records to what a report shows. A plain function: the same records give the same report. */
import { armWords } from './arm-words.ts';
import { findingsOf } from './findings.ts';
import type { LabInput } from './inputs.ts';
import { duels } from './judges/duels.ts';
import { bootstrapGain, seedMeans, share } from './stats/index.ts';
import { bestOf, curvesOf } from './summary-curves.ts';
import { histogramsOf, samplesOf, timingsOf } from './summary-shown.ts';
import {
  type ArmValues,
  figureOf,
  MAIN_MEASURE,
  type MainJudge,
  MEASURE_OPTIONS,
  mainJudgeOf,
  valuesOf,
  winValues,
} from './summary-values.ts';
import type { ArmRow, ArmSpec, Figure, LabManifest, LabReport, Measure } from './types.ts';

export function summarise(input: LabInput): LabReport {
  const { manifest, split, diagnosis, signs, versions, data } = input;
  const { config, seeds, plans, looks, pieces } = manifest;
  const judge = mainJudgeOf(input);
  const mainMeasure = MAIN_MEASURE[judge];
  const reference = referenceOf(manifest);
  const values = new Map(manifest.arms.map(({ id }) => [id, valuesOf(id, input)] as const));
  const arms = manifest.arms.map((arm) => rowOf(arm, values, { input, judge, reference }));
  const best = bestOf(arms, mainMeasure, reference);
  return {
    format: 'self-contrast-lab-report',
    version: 1,
    title: manifest.name,
    created: new Date(input.at).toISOString(),
    split,
    looks: split === 'final' ? Math.max(0, looks.length - 1) : looks.length,
    plans,
    findings: findingsOf({
      plans,
      arms: manifest.arms.map((spec) => ({ spec, values: values.get(spec.id)?.get(mainMeasure) })),
      states: new Map(arms.map((row) => [row.id, row] as const)),
      measure: mainMeasure,
      reference,
    }),
    mainMeasure,
    reference,
    arms,
    curves: curvesOf(manifest, arms, mainMeasure),
    histograms: histogramsOf(
      input,
      [reference, best].flatMap((id) => manifest.arms.filter((arm) => arm.id === id)),
    ),
    duels: duels(
      input.verdicts,
      input.keys,
      manifest.arms.map(({ id }) => id),
    ),
    samples: samplesOf(input),
    diagnosis,
    signs,
    data,
    config,
    armSettings: manifest.arms.map(({ id, policy }) => ({ arm: id, text: armWords(policy, config) })),
    seeds,
    samplesAPrompt: config.evaluate.samples,
    versions,
    model: manifest.model,
    device: manifest.device,
    embedder: manifest.embedder,
    reward: manifest.reward,
    seconds: Object.values(pieces).reduce((sum, { seconds }) => sum + seconds, 0),
    timings: timingsOf(Object.values(pieces)),
  };
}

/** What all arms are compared with: SFT where the lab has it as it is, else the first arm of the first plan. */
function referenceOf({ arms, plans }: LabManifest): string {
  const sft = arms.find(
    ({ policy: { kind, ...changed } }) => kind === 'sft' && Object.keys(changed).length === 0,
  );
  return sft?.id ?? plans[0]?.arms[0] ?? arms[0]?.id ?? '';
}

interface Compared {
  readonly input: LabInput;
  readonly judge: MainJudge;
  readonly reference: string;
}

function rowOf(
  arm: ArmSpec,
  all: ReadonlyMap<string, ArmValues>,
  { input, judge, reference }: Compared,
): ArmRow {
  const values: ArmValues = all.get(arm.id) ?? new Map();
  const theirs = arm.id === reference ? undefined : all.get(reference);
  const figures: Partial<Record<Measure, Figure>> = {};
  const perSeed: Partial<Record<Measure, readonly (number | null)[]>> = {};
  const gain: Partial<Record<Measure, Figure>> = {};
  for (const [measure, own] of values) {
    const options = MEASURE_OPTIONS[measure];
    figures[measure] = figureOf(own, measure);
    perSeed[measure] = seedMeans(own).map((x) => (x === null ? null : (options?.transform ?? same)(x)));
    const other = theirs?.get(measure);
    if (other && share(own, other)) gain[measure] = bootstrapGain(own, other, options);
  }
  const wins = theirs && winValues(arm.id, reference, judge, input);
  const won = wins?.some((row) => row.some((x) => x !== null));
  return {
    id: arm.id,
    name: arm.name,
    ...stateOf(arm.id, input),
    figures,
    perSeed,
    gain,
    ...(wins && won && { winRate: figureOf(wins, 'accuracy') }),
    ...effortOf(arm.id, input),
  };
}

const same = (x: number): number => x;

/** Of all its seeds together: it has failed where none is left that has not. */
function stateOf(arm: string, { runs, manifest }: LabInput): Pick<ArmRow, 'state' | 'seedStates' | 'error'> {
  const own = runs.filter((run) => run.arm === arm);
  const failed = own.filter(({ state }) => state === 'failed');
  const ended = own.filter(({ state }) => state === 'done').length + failed.length;
  const error = [...new Set(failed.map((run) => run.error ?? 'no reason is known'))]
    .map((text) => {
      const seeds = failed.filter((run) => (run.error ?? 'no reason is known') === text);
      return failed.length === manifest.seeds.length && seeds.length === failed.length
        ? text
        : `seed ${seeds.map(({ seed }) => seed).join(', ')}: ${text}`;
    })
    .join('\n');
  const started = ended > 0 || own.some(({ state }) => state === 'running');
  const whole = ended >= manifest.seeds.length;
  const state = !started ? 'waiting' : !whole ? 'running' : failed.length === ended ? 'failed' : 'done';
  const seedStates = manifest.seeds.map((seed) => own.find((run) => run.seed === seed)?.state ?? 'waiting');
  return { state, seedStates, ...(error !== '' && { error }) };
}

/** Of a seed: the mean of those that are done. */
function effortOf(
  arm: string,
  { runs }: LabInput,
): Pick<ArmRow, 'steps' | 'pairs' | 'trainedTokens' | 'seconds'> {
  const done = runs.filter((run) => run.arm === arm && run.state === 'done');
  const average = (of: (run: (typeof done)[number]) => number) =>
    done.reduce((sum, run) => sum + of(run), 0) / Math.max(1, done.length);
  const figure = (key: string) =>
    average(({ figures }) => {
      const value = figures[key];
      return typeof value === 'number' ? value : 0;
    });
  return {
    steps: figure('steps'),
    pairs: figure('pairs'),
    trainedTokens: figure('tokens'),
    seconds: average(({ seconds }) => seconds),
  };
}
