/**
 * The page behind `npm run bench -- --only demo`: the demo's work on its own data, as the pipeline does it and plainly.
 * Plainly is: one row or one pair at a time, every row with a prefill of its own, pairs independent of each other, the
 * reference computed again in every step, texts embedded one by one.
 */
import type { Group, SampleRequest, Trainer } from '../../../src/engine/types.ts';
import { dpoLoss, sftLoss } from '../../../src/model/loss.ts';
import { seedOf } from '../../../src/model/random.ts';
import { DEFAULT_CONFIG } from '../../../src/pipeline/config.ts';
import { optimiserOf } from '../../../src/pipeline/context.ts';
import { makeDataset, readDataset } from '../../../src/pipeline/dataset.ts';
import { lengthsOf, memoryOf } from '../../../src/pipeline/fit.ts';
import { prepareData } from '../../../src/pipeline/prepare.ts';
import { responseRecord } from '../../../src/pipeline/sample.ts';
import { embedDistinct } from '../../../src/pipeline/similarity.ts';
import type { ResponseRecord, TokenizedPrompt, TokenizedRow } from '../../../src/pipeline/types.ts';
import { urlFolder } from '../../../src/service/url-folder.ts';
import type { DemoFigures, DemoPlan, DemoStage, StageTimes } from './plan.ts';

declare global {
  interface Window {
    demoBench: (plan: DemoPlan) => Promise<DemoFigures>;
  }
}

const CONFIG = DEFAULT_CONFIG;
const { seed, lora, sample, sft, dpo, evaluate } = CONFIG;
const ARMS = 3;

const address = (path: string): string => new URL(path, location.href).href;

async function text(path: string): Promise<string> {
  return (await fetch(address(path))).text();
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

const sum = (values: ArrayLike<number>): number => Array.from(values).reduce((a, b) => a + b, 0);

/** Slices of `size`; the last may be shorter. */
function slices<T>(list: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, i) =>
    list.slice(i * size, (i + 1) * size),
  );
}

async function measure(plan: DemoPlan): Promise<DemoFigures> {
  const { openDevice } = await import('../../../src/engine/backend.ts');
  const { loadLanguageModel } = await import('../../../src/engine/language-model.ts');
  const { openEmbedder } = await import('../../../src/engine/embedder.ts');
  const model = await loadLanguageModel(
    await openDevice({ backend: 'wasm', wasmPath: '/ort/' }),
    urlFolder(address('/models/default-lm/'), 'default-lm'),
  );
  const embedder = await openEmbedder({
    source: urlFolder(address('/models/default-embedder/'), 'default-embedder'),
    pooling: 'auto',
    wasmPath: address('/ort/'),
  });
  const folder = '/datasets/word-helper';
  const read = await readDataset('word-helper', await text(`${folder}/train.jsonl`), {
    heldOut: await text(`${folder}/test.jsonl`),
  });
  const data = prepareData(
    await makeDataset(read.name, read.rows, [], read.heldOut),
    model.tokenizer,
    model.info.contextLength,
    CONFIG,
  );
  const memory = memoryOf(model.config, CONFIG, lengthsOf(data), 'f32', 'wasm');
  const { signal } = new AbortController();

  /** Answers to prompts, all together or each by itself. */
  const sampled = async (rows: readonly TokenizedPrompt[], n: number, together: boolean) => {
    const answers: ResponseRecord[][] = rows.map(() => []);
    const sampler = await model.createSampler(lora, null, memory);
    const { temperature, topP, topK, maxTokens } = sample;
    const settings = { temperature, topP, topK, maxTokens, stopIds: model.tokenizer.stopIds };
    const request = (row: TokenizedPrompt, i: number, count: number): SampleRequest => ({
      promptIds: row.promptIds,
      n: count,
      seed: seedOf(seed, 'sample', i),
    });
    const keep = (at: number, samples: Parameters<typeof responseRecord>[0][]) => {
      answers[at]?.push(...samples.map((one) => responseRecord(one, model.tokenizer.decode)));
    };
    if (together) {
      const requests = rows.map((row, i) => request(row, i, n));
      await sampler.sample(requests, settings, keep);
    } else {
      for (const [i, row] of rows.entries())
        for (let j = 0; j < n; j++)
          await sampler.sample([request(row, n * i + j, 1)], settings, (_, samples) => keep(i, samples));
    }
    await sampler.dispose();
    return answers;
  };

  const trainer = await model.createTrainer(lora, optimiserOf(dpo), seed, memory);
  const oneRow = await model.createTrainer(lora, optimiserOf(dpo), seed, { ...memory, rows: 1 });
  const target = ({ promptIds, targetIds }: TokenizedRow): Group => ({ promptIds, responseIds: [targetIds] });
  const learn = (of: Trainer, rows: readonly TokenizedRow[]) => {
    const tokens = rows.reduce((total, row) => total + row.targetIds.length, 0);
    return of.step(rows.map(target), (_, [logp = 0]) => sftLoss(logp, tokens), sft.learningRate);
  };
  const prefer = (of: Trainer, groups: readonly Group[], references: readonly (readonly number[])[]) =>
    of.step(
      groups,
      (i, logps) =>
        dpoLoss(logps, references[i] ?? [], groups[i]?.responseIds[0]?.length ?? 1, {
          kind: dpo.loss,
          beta: dpo.beta,
          ftx: 0,
          groups: groups.length,
        }),
      dpo.learningRate,
    );

  // Every second row or so: files are often sorted.
  const spread = <T>(list: readonly T[], count: number): T[] =>
    Array.from({ length: count }, (_, i) => list[Math.floor((i * list.length) / count)]).flatMap(
      (x) => x ?? [],
    );
  const rows = spread(data.train, plan.prompts);
  const few = spread(rows, plan.plainPrompts);
  const asked = spread(data.heldOut, plan.heldOut);
  const fewAsked = spread(asked, plan.plainHeldOut);
  const negativesOf = (answers: readonly ResponseRecord[]): ResponseRecord[] =>
    answers.filter(({ tokenIds }) => tokenIds.length > 0).slice(0, dpo.negatives);

  // Graphs are compiled before anything is timed, on both sides.
  const answers = await sampled(rows, sample.n, true);
  const groups = rows.map((row, i): Group => {
    const negatives = negativesOf(answers[i] ?? []);
    return { promptIds: row.promptIds, responseIds: [row.targetIds, ...negatives.map((r) => r.tokenIds)] };
  });
  const stored = rows.map((_, i) => negativesOf(answers[i] ?? []).map(({ logp }) => logp));

  const ourSft = async () => {
    for (const batch of slices(rows, sft.batch)) await learn(trainer, batch);
  };
  const plainSft = async () => {
    for (const batch of slices(few, sft.batch)) await learn(oneRow, batch);
  };
  const ourDpo = async () => {
    // The targets' reference once, the negatives' from the sampler.
    const targets = (await trainer.logps(rows.map(target), signal)).map(([logps]) => sum(logps ?? []));
    const references = targets.map((logp, i) => [logp, ...(stored[i] ?? [])]);
    for (const batch of slices([...groups.keys()], dpo.batch))
      await prefer(
        trainer,
        batch.flatMap((i) => groups[i] ?? []),
        batch.flatMap((i) => [references[i] ?? []]),
      );
  };
  const plainDpo = async () => {
    const members = few.map((row) => groups[rows.indexOf(row)]);
    for (const batch of slices(members, dpo.batch)) {
      const pairs = batch.flatMap((group): Group[] => {
        const [chosen = [], ...rejected] = group?.responseIds ?? [];
        return rejected.map((ids) => ({ promptIds: group?.promptIds ?? [], responseIds: [chosen, ids] }));
      });
      // The adapter here stands for the reference's: it costs the same.
      const references = (await oneRow.logps(pairs, signal)).map((pair) => pair.map(sum));
      await prefer(oneRow, pairs, references);
    }
  };
  const scored = async (of: Trainer, list: readonly TokenizedPrompt[], together: boolean) => {
    const groups = list.flatMap(({ promptIds, targetIds }) =>
      targetIds ? [{ promptIds, responseIds: [targetIds] }] : [],
    );
    if (together) await of.logps(groups, signal);
    else for (const group of groups) await of.logps([group], signal);
  };
  const texts = (list: readonly TokenizedRow[]) =>
    list.flatMap((row) => [row.target, ...(answers[rows.indexOf(row)] ?? []).map((r) => r.text)]);

  const stages: StageTimes[] = [];
  const compare = async (
    stage: DemoStage,
    ours: () => Promise<unknown>,
    plain: () => Promise<unknown>,
    [many, less]: readonly [number, number] = [rows.length, few.length],
  ) => {
    await ours();
    await plain();
    stages.push({ stage, ours: (await seconds(ours)) / many, plain: (await seconds(plain)) / less });
  };
  await compare('sft', ourSft, plainSft);
  await compare(
    'sample',
    () => sampled(rows, sample.n, true),
    () => sampled(few, sample.n, false),
  );
  await compare(
    'filter',
    () => embedDistinct(embedder, texts(rows), signal),
    async () => {
      for (const one of texts(few)) await embedder.embed([one]);
    },
  );
  await compare('dpo', ourDpo, plainDpo);
  // One arm; the demo has three.
  await compare(
    'evaluate',
    async () => {
      await sampled(asked, ARMS * evaluate.samples, true);
      for (let arm = 0; arm < ARMS; arm++) await scored(trainer, asked, true);
    },
    async () => {
      await sampled(fewAsked, ARMS * evaluate.samples, false);
      for (let arm = 0; arm < ARMS; arm++) await scored(oneRow, fewAsked, false);
    },
    [asked.length, fewAsked.length],
  );
  return {
    stages,
    prompts: data.train.length,
    heldOut: data.heldOut.length,
    threads: model.device.threads,
  };
}

window.demoBench = measure;
