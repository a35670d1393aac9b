/** What a report shows beside its figures: answers side by side, how scores are spread, where the time went. */
import type { LabInput } from './inputs.ts';
import { histogram } from './stats/index.ts';
import type { ArmAnswers, ArmSpec, HistogramData, LabReport, Piece, PieceKind, SampleRow } from './types.ts';

/** Prompts whose answers are shown. */
const SHOWN = 12;

/** The first answer of the first seed, for prompts spread evenly over the data: chosen before anything was looked at. */
export function samplesOf({ manifest, heldOut, answers }: LabInput): SampleRow[] {
  const count = Math.min(SHOWN, heldOut.length);
  const indices = Array.from({ length: count }, (_, i) => Math.floor((i * heldOut.length) / count));
  const shown = manifest.arms.flatMap(({ id }) => {
    const runs = answers.filter((run) => run.arm === id);
    // Another seed stands in for one that failed.
    const run = manifest.seeds.flatMap((seed) => runs.find((own) => own.seed === seed) ?? [])[0];
    return run
      ? [{ arm: id, byIndex: new Map(run.records.map((record) => [record.index, record] as const)) }]
      : [];
  });
  return indices.flatMap((index) => {
    const row = heldOut[index];
    if (!row) return [];
    const given = shown.flatMap(({ arm, byIndex }) => {
      const first = byIndex.get(index)?.answers[0];
      if (!first) return [];
      const { text, correct, similarity } = first;
      return [
        {
          arm,
          text,
          ...(correct !== undefined && { correct }),
          ...(similarity !== undefined && { similarity }),
        },
      ];
    });
    const { prompt, target } = row;
    return given.length === 0 ? [] : [{ prompt, ...(target !== undefined && { target }), answers: given }];
  });
}

/** How the answers' scores are spread, of a few arms in the same bins: all samples of all seeds. */
export function histogramsOf({ answers }: LabInput, arms: readonly ArmSpec[]): HistogramData[] {
  const spread = (title: string, axis: string, valuesOf: (run: ArmAnswers) => readonly number[]) => {
    const series = arms.map(({ id, name }) => ({
      name,
      values: answers.filter(({ arm }) => arm === id).flatMap(valuesOf),
    }));
    const filled = series.filter(({ values }) => values.length > 0);
    return filled.length === 0 ? [] : [histogram(title, axis, filled)];
  };
  return [
    ...spread('Reward of the answers', 'reward', ({ rewards = [] }) =>
      rewards.flatMap(({ scores }) => scores),
    ),
    ...spread('Similarity of the answers to the target', 'cosine', ({ records }) =>
      records.flatMap((record) => record.answers.flatMap(({ similarity }) => similarity ?? [])),
    ),
    ...spread('Length of the answers', 'tokens', ({ records }) =>
      records.flatMap((record) => record.answers.map(({ tokens }) => tokens)),
    ),
  ];
}

const KINDS: Readonly<Record<PieceKind, string>> = {
  data: 'Reading and tokenising the data',
  policy: 'Training',
  answers: 'Sampling and comparing answers to the training prompts',
  evaluation: 'Answering and scoring held-out prompts',
  reward: 'Reward model',
  diagnosis: 'Diagnosis',
};

/** By kind of work, the longest first. */
export function timingsOf(pieces: readonly Piece[]): LabReport['timings'] {
  const byKind = new Map<PieceKind, { count: number; seconds: number }>();
  for (const { kind, seconds } of pieces) {
    const { count, seconds: before } = byKind.get(kind) ?? { count: 0, seconds: 0 };
    byKind.set(kind, { count: count + 1, seconds: before + seconds });
  }
  return [...byKind]
    .map(([kind, { count, seconds }]) => ({
      label: count > 1 ? `${KINDS[kind]}, ${count} times` : KINDS[kind],
      seconds,
    }))
    .sort((a, b) => b.seconds - a.seconds);
}
