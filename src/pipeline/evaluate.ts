/** Stage: base, SFT and Self-Contrast on held-out prompts, with the same seeds. */
import type { AdapterWeights, Sample } from '../engine/types.ts';
import { seedOf } from '../model/random.ts';
import { type Context, optimiserOf, ProgressMeter } from './context.ts';
import { grade } from './grade.ts';
import { cosine, embedDistinct } from './negatives.ts';
import type { Arm, HeldOutAnswer, HeldOutScore, PreparedData, Report, TokenizedPrompt } from './types.ts';

export const ARMS: readonly Arm[] = ['base', 'sft', 'selfContrast'];

interface Answer {
  readonly text: string;
  readonly tokens: number;
  /** To the target; absent without one. */
  readonly similarity?: number;
  readonly correct?: boolean;
}

interface ArmResult {
  readonly score: HeldOutScore;
  /** [prompt][sample] */
  readonly answers: readonly (readonly Answer[])[];
}

export async function runEvaluate(
  context: Context,
  data: PreparedData,
  adapters: Readonly<Record<Arm, AdapterWeights | null>>,
): Promise<Report['evaluation']> {
  const { heldOut } = data;
  if (heldOut.length === 0) return { heldOut: {}, winRateVsSft: null, judge: null };
  const perArm = heldOut.length * context.config.evaluate.samples;
  const meter = new ProgressMeter(context, 'evaluate', 'answers', perArm * ARMS.length);
  const results: Partial<Record<Arm, ArmResult>> = {};
  for (const [i, arm] of ARMS.entries()) {
    results[arm] = await evaluateArm(context, heldOut, adapters[arm], (done) =>
      meter.update(i * perArm + done),
    );
  }
  const { base, sft, selfContrast } = results;
  const judge = heldOut.every((row) => row.grader) ? 'grader' : 'similarity';
  if (!base || !sft || !selfContrast) throw new Error('internal: an arm is missing');
  await context.store.saveAnswers(
    heldOut.map((row, i) => heldOutAnswer(row, i, { base, sft, selfContrast })),
  );
  return {
    heldOut: { base: base.score, sft: sft.score, selfContrast: selfContrast.score },
    winRateVsSft: winRate(selfContrast.answers.flat(), sft.answers.flat(), judge),
    judge,
    ...pairedGain(heldOut, sft.answers, selfContrast.answers),
  };
}

async function evaluateArm(
  context: Context,
  rows: readonly TokenizedPrompt[],
  adapter: AdapterWeights | null,
  onDone: (answers: number) => void,
): Promise<ArmResult> {
  const { model, config, signal } = context;
  const n = config.evaluate.samples;
  const samples: Sample[][] = [];
  const sampler = await model.createSampler(config.lora, adapter);
  let done = 0;
  try {
    await sampler.sample(
      rows.map(({ promptIds }, i) => ({ promptIds, n, seed: seedOf(config.seed, 'evaluate', i) })),
      // The plain policy, whatever the training samples were drawn with.
      {
        temperature: 1,
        topP: 1,
        topK: 0,
        maxTokens: config.sample.maxTokens,
        stopIds: model.tokenizer.stopIds,
      },
      (index, drawn) => {
        samples[index] = drawn;
        done += n;
        onDone(done);
      },
      { signal },
    );
  } finally {
    await sampler.dispose();
  }
  const texts = samples.map((list) => list.map((s) => model.tokenizer.decode(s.tokenIds).trim()));
  const vector = await embedDistinct(
    await context.embedder(),
    [...texts.flat(), ...rows.flatMap((r) => r.target?.trim() ?? [])],
    signal,
  );
  const answers = rows.map((row, i) =>
    (texts[i] ?? []).map((text, j): Answer => {
      const wanted = row.target?.trim();
      return {
        text,
        tokens: samples[i]?.[j]?.tokenIds.length ?? 0,
        ...(wanted === undefined ? {} : { similarity: cosine(vector(text), vector(wanted)) }),
        ...(row.grader ? { correct: grade(row.grader, text) } : {}),
      };
    }),
  );
  const targetLogProb = await meanTargetLogProb(context, rows, adapter);
  return { score: { ...scoreOf(rows, answers), targetLogProb }, answers };
}

async function meanTargetLogProb(
  context: Context,
  rows: readonly TokenizedPrompt[],
  adapter: AdapterWeights | null,
): Promise<number> {
  const { model, config, signal } = context;
  // A fresh adapter has B = 0 and is the base model.
  const trainer = await model.createTrainer(config.lora, optimiserOf(config.dpo), config.seed);
  try {
    if (adapter) {
      const zeros = adapter.map((vector) => new Float32Array(vector.length));
      await trainer.restore({ step: 0, parameters: adapter, m: zeros, v: zeros });
    }
    const logps = await trainer.logps(
      rows.flatMap(({ promptIds, targetIds }) =>
        targetIds ? [{ promptIds, responseIds: [targetIds] }] : [],
      ),
      signal,
    );
    const all = logps.flatMap((group) => group.flatMap((response) => Array.from(response)));
    return mean(all);
  } finally {
    await trainer.dispose();
  }
}

const mean = (values: readonly number[]): number =>
  values.reduce((a, b) => a + b, 0) / Math.max(1, values.length);

/** Accuracy with its standard error over prompts: samples of one prompt are not independent. */
export function scoreOf(
  rows: readonly TokenizedPrompt[],
  answers: readonly (readonly Answer[])[],
): Omit<HeldOutScore, 'targetLogProb'> {
  const all = answers.flat();
  const score = {
    prompts: rows.length,
    similarity: mean(all.flatMap((a) => a.similarity ?? [])),
    meanTokens: mean(all.map((a) => a.tokens)),
  };
  const graded = answers
    .filter((_, i) => rows[i]?.grader)
    .map((list) => mean(list.map((a) => (a.correct ? 1 : 0))));
  if (graded.length === 0) return score;
  const accuracy = mean(graded);
  const variance =
    graded.reduce((total, x) => total + (x - accuracy) ** 2, 0) / Math.max(1, graded.length - 1);
  return { ...score, accuracy, accuracyError: Math.sqrt(variance / graded.length) };
}

/** Difference in accuracy between two arms on the same prompts: its noise is less than that of either arm. */
export function pairedGain(
  rows: readonly TokenizedPrompt[],
  before: readonly (readonly Answer[])[],
  after: readonly (readonly Answer[])[],
): Pick<Report['evaluation'], 'gainOverSft'> {
  const right = (list: readonly Answer[] = []) => mean(list.map((a) => (a.correct ? 1 : 0)));
  const gains = rows.flatMap((row, i) => (row.grader ? [right(after[i]) - right(before[i])] : []));
  if (gains.length < 2) return {};
  const accuracy = mean(gains);
  const variance = gains.reduce((total, x) => total + (x - accuracy) ** 2, 0) / (gains.length - 1);
  return { gainOverSft: { accuracy, error: Math.sqrt(variance / gains.length) } };
}

/** Share of pairs of answers in which the first is better; ties count half. By the grader, else by similarity. */
export function winRate(
  ours: readonly Answer[],
  theirs: readonly Answer[],
  judge: 'grader' | 'similarity',
): number {
  // An answer that can't be judged ties with its counterpart, which can't be either.
  const worth = (a: Answer): number => (judge === 'similarity' ? (a.similarity ?? 0) : a.correct ? 1 : 0);
  return mean(
    ours.map((a, i) => {
      const b = theirs[i];
      if (!b) return 0.5;
      return worth(a) > worth(b) ? 1 : worth(a) === worth(b) ? 0.5 : 0;
    }),
  );
}

function heldOutAnswer(
  row: TokenizedPrompt,
  i: number,
  results: Readonly<Record<Arm, ArmResult>>,
): HeldOutAnswer {
  const first = (arm: Arm) => {
    const { tokens: _tokens, ...answer } = results[arm].answers[i]?.[0] ?? { text: '', tokens: 0 };
    return answer;
  };
  return {
    prompt: row.prompt,
    ...(row.target === undefined ? {} : { target: row.target }),
    answers: { base: first('base'), sft: first('sft'), selfContrast: first('selfContrast') },
  };
}
