/** Stage: base, SFT and Self-Contrast on held-out prompts, with the same seeds. */
import type { AdapterWeights, Sample } from '../engine/types.ts';
import { seedOf } from '../model/random.ts';
import { type Context, optimiserOf, ProgressMeter } from './context.ts';
import { grade } from './grade.ts';
import { sameEmbedder } from './identity.ts';
import { mean, pairedGain, scoreOf, winRate } from './score.ts';
import { cosine, embedDistinct } from './similarity.ts';
import type {
  Arm,
  EvaluatedAnswer,
  EvaluationRecord,
  HeldOutAnswer,
  HeldOutScore,
  PreparedData,
  Report,
  TokenizedPrompt,
} from './types.ts';

export const ARMS: readonly Arm[] = ['base', 'sft', 'selfContrast'];

/** Prompts scored, and stored, together. */
const SLICE = 32;

interface ArmResult {
  readonly score: HeldOutScore;
  /** [prompt][sample] */
  readonly answers: readonly (readonly EvaluatedAnswer[])[];
}

/** Writes every arm's samples prompt by prompt, then its scores slice by slice, and the shown answers last. */
export async function runEvaluate(
  context: Context,
  data: PreparedData,
  adapters: Readonly<Record<Arm, AdapterWeights | null>>,
): Promise<Report['evaluation']> {
  const { heldOut } = data;
  if (heldOut.length === 0) return { heldOut: {}, winRateVsSft: null, judge: null };
  const perArm = heldOut.length * context.config.evaluate.samples;
  const stored = await context.store.evaluation();
  const before = stored.reduce((sum, record) => sum + record.answers.length, 0);
  const meter = new ProgressMeter(context, 'evaluate', 'answers', perArm * ARMS.length, before);
  const results: Partial<Record<Arm, ArmResult>> = {};
  for (const [i, arm] of ARMS.entries()) {
    const records = new Map(stored.filter((r) => r.arm === arm).map((r) => [r.index, r] as const));
    await sampleArm(context, heldOut, arm, adapters[arm], records, (done) => meter.update(i * perArm + done));
    await scoreArm(context, heldOut, adapters[arm], records);
    results[arm] = resultOf(heldOut, records);
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

/**
 * Samples the prompts that `records` lacks, stores them, and adds them to it. Seeds depend on the run's and the
 * prompt's place alone: arms are compared on common random numbers.
 */
export async function sampleArm(
  context: Context,
  rows: readonly TokenizedPrompt[],
  arm: Arm,
  adapter: AdapterWeights | null,
  records: Map<number, EvaluationRecord>,
  onDone: (answers: number) => void,
): Promise<void> {
  const { model, config, signal, store } = context;
  const n = config.evaluate.samples;
  const finished = new Set(records.keys());
  if (finished.size === rows.length) return;
  const answerOf = (row: TokenizedPrompt, sample: Sample): EvaluatedAnswer => {
    const text = model.tokenizer.decode(sample.tokenIds).trim();
    const graded = row.grader ? { correct: grade(row.grader, text) } : {};
    return { text, tokens: sample.tokenIds.length, ...graded };
  };
  const sampler = await model.createSampler(config.lora, adapter, context.memory);
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
      async (index, drawn) => {
        const row = rows[index];
        if (!row) throw new Error(`internal: no held-out prompt ${index}`);
        const record = { arm, index, answers: drawn.map((sample) => answerOf(row, sample)) };
        await store.saveEvaluation([record]);
        records.set(index, record);
        onDone(records.size * n);
      },
      { signal, finished },
    );
  } finally {
    await sampler.dispose();
  }
}

/**
 * Adds similarities and the targets' log-probabilities where they are missing, in fixed slices of prompts:
 * what is computed together changes a figure's last bits.
 */
export async function scoreArm(
  context: Context,
  rows: readonly TokenizedPrompt[],
  adapter: AdapterWeights | null,
  records: Map<number, EvaluationRecord>,
): Promise<void> {
  const all = rows.map((_, i) => records.get(i));
  if (all.every((record) => record?.targetLogps !== undefined)) return;
  const { model, config, signal, store } = context;
  const embedder = await sameEmbedder(context, async () => {});
  // A fresh adapter has B = 0 and is the base model.
  const trainer = await model.createTrainer(
    config.lora,
    optimiserOf(config.dpo),
    config.seed,
    context.memory,
  );
  try {
    if (adapter) {
      const zeros = adapter.map((vector) => new Float32Array(vector.length));
      await trainer.restore({ step: 0, parameters: adapter, m: zeros, v: zeros });
    }
    for (let at = 0; at < rows.length; at += SLICE) {
      signal.throwIfAborted();
      const slice = all.slice(at, at + SLICE).flatMap((record) => record ?? []);
      if (slice.every((record) => record.targetLogps !== undefined)) continue;
      const targets = slice.map(({ index }) => rows[index]?.target?.trim());
      const texts = slice.flatMap(({ answers }) => answers.map((a) => a.text));
      const wanted = targets.flatMap((target) => target ?? []);
      const vector = await embedDistinct(embedder, [...texts, ...wanted], signal);
      const asked = slice.flatMap(({ index }) => {
        const { promptIds = [], targetIds } = rows[index] ?? {};
        return targetIds ? [{ index, group: { promptIds, responseIds: [targetIds] } }] : [];
      });
      const logps = await trainer.logps(
        asked.map(({ group }) => group),
        signal,
      );
      const byIndex = new Map(asked.map(({ index }, i) => [index, Array.from(logps[i]?.[0] ?? [])] as const));
      const scored = slice.map((record, i) => {
        const target = targets[i];
        const similarity = (text: string) =>
          target === undefined ? {} : { similarity: cosine(vector(text), vector(target)) };
        const answers = record.answers.map((answer) => ({ ...answer, ...similarity(answer.text) }));
        return { ...record, answers, targetLogps: byIndex.get(record.index) ?? [] };
      });
      await store.saveEvaluation(scored);
      for (const record of scored) records.set(record.index, record);
    }
  } finally {
    await trainer.dispose();
  }
}

function resultOf(
  rows: readonly TokenizedPrompt[],
  records: ReadonlyMap<number, EvaluationRecord>,
): ArmResult {
  const answers = rows.map((_, i) => records.get(i)?.answers ?? []);
  const targetLogProb = mean(rows.flatMap((_, i) => records.get(i)?.targetLogps ?? []));
  return { score: { ...scoreOf(rows, answers), targetLogProb }, answers };
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
