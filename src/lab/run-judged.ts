/** What judges and the diagnosis add to what was computed: scores of a reward model, and why it did or did not work. */
import type { RewardModel } from '../engine/types.ts';
import { promptMessages } from '../pipeline/prepare.ts';
import type { PromptResponses, TokenizedPrompt } from '../pipeline/types.ts';
import { diagnose } from './diagnosis/index.ts';
import { adapterOf, type Job, withMarks } from './run-pieces.ts';
import { splitHeldOut } from './split.ts';
import type { Piece, RewardRecord } from './types.ts';
import type { DiagnosisWork, RewardWork } from './work.ts';

/** Prompts scored, and stored, together. */
const SLICE = 16;
/** Training prompts whose answers are diagnosed. */
const DIAGNOSED = 200;

interface Asked {
  readonly index: number;
  readonly row: TokenizedPrompt;
  readonly texts: readonly string[];
}

/**
 * Scores of answers and targets, each distinct text of a prompt once in a sitting: targets, and answers that several
 * arms give, are many.
 */
export class Scores {
  private readonly known = new Map<string, number>();

  constructor(
    private readonly model: RewardModel,
    private readonly signal: AbortSignal,
  ) {}

  get info(): RewardModel['info'] {
    return this.model.info;
  }

  async of(asked: readonly Asked[]): Promise<RewardRecord[]> {
    const missing = new Map<string, { row: TokenizedPrompt; text: string }>();
    for (const { row, texts } of asked)
      for (const text of [...texts, ...targetOf(row)]) {
        const key = keyOf(row, text);
        if (!this.known.has(key)) missing.set(key, { row, text });
      }
    const pairs = [...missing.values()].map(({ row, text }) => ({
      messages: promptMessages(row),
      answer: text,
    }));
    const scores = pairs.length === 0 ? [] : await this.model.score(pairs, this.signal);
    [...missing.keys()].forEach((key, i) => {
      this.known.set(key, scores[i] ?? Number.NaN);
    });
    const score = (row: TokenizedPrompt, text: string) => this.known.get(keyOf(row, text)) ?? Number.NaN;
    return asked.map(({ index, row, texts }) => {
      const [target] = targetOf(row);
      return {
        index,
        scores: texts.map((text) => score(row, text)),
        ...(target !== undefined && { target: score(row, target) }),
      };
    });
  }
}

const targetOf = ({ target }: TokenizedPrompt): string[] => (target === undefined ? [] : [target.trim()]);

const keyOf = (row: TokenizedPrompt, text: string): string => JSON.stringify([promptMessages(row), text]);

async function scoreAndStore(
  job: Job,
  key: string,
  asked: readonly Asked[],
  scores: Scores,
): Promise<number> {
  const { store, signal, now } = job.bench.context;
  const done = new Set((await store.rewards(key)).map(({ index }) => index));
  const left = asked.filter(({ index }) => !done.has(index));
  const started = now();
  for (let at = 0; at < left.length; at += SLICE) {
    signal.throwIfAborted();
    await store.saveRewards(key, await scores.of(left.slice(at, at + SLICE)));
    const count = Math.min(at + SLICE, left.length);
    const seconds = (now() - started) / 1000;
    const rate = seconds > 0 ? count / seconds : 0;
    const total = asked.length;
    const progress = { done: done.size + count, total, unit: 'prompts', rate, figures: {} } as const;
    const secondsLeft = rate > 0 ? (left.length - count) / rate : null;
    job.emit({ type: 'progress', progress: { ...progress, stage: 'evaluate', secondsLeft } });
  }
  return asked.length;
}

export async function computeReward(job: Job, work: RewardWork, scores: Scores): Promise<Piece['figures']> {
  const { bench, manifest } = job;
  const rows = splitHeldOut((await bench.prepared(work.data)).heldOut, manifest)[work.split];
  const records = await bench.context.store.piece(work.evaluation).evaluation();
  const asked = records.flatMap(({ index, answers }): Asked[] => {
    const row = rows[index];
    return row ? [{ index, row, texts: answers.map(({ text }) => text) }] : [];
  });
  return { prompts: await scoreAndStore(job, work.key, asked, scores) };
}

/** @param scores absent where the lab has no reward model */
export async function computeDiagnosis(
  job: Job,
  work: DiagnosisWork,
  scores: Scores | null,
): Promise<Piece['figures']> {
  const { bench, manifest } = job;
  const { store, signal } = bench.context;
  const data = await bench.prepared(work.data);
  const answers = store.piece(work.answers);
  const context = await bench.stageContext(work, data, work.data, { answers }, job.emit);
  const marked = new Set(manifest.marks.map(({ prompt, text }) => JSON.stringify([prompt, text])));
  const responses = (await answers.responses(0, DIAGNOSED)).map((record) => withMarks(record, data, marked));
  if (scores) await scoreAndStore(job, work.key, askedOf(responses, data.train), scores);
  const references = new Map(
    (await store.piece(work.policy).references()).map(({ index, logp }) => [index, logp] as const),
  );
  const diagnosis = await diagnose({
    config: work.config,
    data,
    responses,
    references,
    marks: manifest.marks,
    ...(scores && { rewards: await store.rewards(work.key) }),
    policy: await adapterOf(job, work.policy),
    model: context.model,
    ...(context.memory && { memory: context.memory }),
    embedder: context.embedder,
    signal,
    onProgress: (done, total, unit) =>
      job.emit({
        type: 'progress',
        progress: { stage: 'evaluate', done, total, unit, rate: 0, secondsLeft: null, figures: {} },
      }),
  });
  await store.saveDiagnosis(work.key, diagnosis);
  return { prompts: responses.length };
}

const askedOf = (responses: readonly PromptResponses[], rows: readonly TokenizedPrompt[]): Asked[] =>
  responses.flatMap(({ index, responses: list }) => {
    const row = rows[index];
    return row ? [{ index, row, texts: list.map(({ text }) => text) }] : [];
  });
