/** Sampling with temperature on WASM in Chromium, beside transformers.js; prompts read once; places taken as they become free. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright';
import { stream } from '../../src/model/random.ts';
import { withBenchPage } from './browser.ts';
import { type Compared, sideBySide } from './measure.ts';
import type { Row } from './row.ts';
import type { Job, SamplingBench } from './sampling/page.ts';

const REAL_DATA = fileURLToPath(new URL('../../../shared/realdata/stories260k-hf', import.meta.url));

const ROWS = 32;
const even = (promptTokens: number, tokens: number): Job => ({
  rows: ROWS,
  promptTokens,
  lengths: new Array<number>(ROWS).fill(tokens),
});

type Model = Parameters<SamplingBench['load']>[0];

const withModel = <T>(model: Model, peer: boolean, work: (page: Page, threads: number) => Promise<T>) =>
  withBenchPage('scripts/bench/sampling/index.html', 'none', async (page) => {
    await page.waitForFunction(() => window.samplingBench !== undefined);
    const threads = await page.evaluate(([name, beside]) => window.samplingBench.load(name, beside), [
      model,
      peer,
    ] as const);
    return work(page, threads);
  });

type Run = 'ours' | 'theirs' | 'continuous' | 'waiting';

/** One of the page's runs, which must have drawn what was asked for. */
async function run(page: Page, which: Run, job: Job): Promise<void> {
  const tokens = await page.evaluate(([name, given]) => window.samplingBench[name](given), [
    which,
    job,
  ] as const);
  const wanted = job.lengths.reduce((a, b) => a + b, 0);
  if (tokens !== wanted) throw new Error(`internal: ${which} drew ${tokens} tokens, not ${wanted}`);
}

const rate = (tokens: number, seconds: number): string => `${(tokens / seconds).toFixed(0)} tokens/s`;

async function generateRow(model: Model, job: Job, repeats: number): Promise<Row> {
  return withModel(model, true, async (page, threads) => {
    const times = await sideBySide(
      () => run(page, 'ours', job),
      () => run(page, 'theirs', job),
      repeats,
    );
    const tokens = job.lengths.reduce((a, b) => a + b, 0);
    return {
      name: `sampling, ${ROWS} rows, ${model}`,
      value: rate(tokens, times.ours),
      peer: `transformers.js generate() ${rate(tokens, times.peer)}, ${threads} threads`,
      ratio: times.ratio,
      wanted: '>= 8x',
      facts: { ...times, threads, ...job },
    };
  });
}

const milliseconds = (seconds: number): string => `${(seconds * 1000).toFixed(0)} ms`;

/** 32 answers of one prompt of 128 tokens against 32 prompts; an answer is one token, so that little else is measured. */
async function prefillRow(): Promise<Row> {
  return withModel('stories15M', false, async (page) => {
    const read = (which: 'answers' | 'prompts') =>
      page.evaluate(([name, count]) => window.samplingBench[name](count, 128), [which, ROWS] as const);
    const tokens = { answers: await read('answers'), prompts: await read('prompts') };
    const times: Compared = await sideBySide(
      () => read('answers'),
      () => read('prompts'),
    );
    return {
      name: `${ROWS} answers of one prompt of 128 tokens`,
      value: `${tokens.answers} prompt tokens read, ${milliseconds(times.ours)} with one round`,
      peer: `${ROWS} prompts: ${tokens.prompts} read, ${milliseconds(times.peer)}`,
      ratio: tokens.prompts / tokens.answers,
      wanted: `${ROWS}x`,
      facts: { ...times, tokens },
    };
  });
}

/** Tokens of the longest answer: 256, or what the context leaves beside the prompt. */
const LONGEST: Readonly<Record<Model, number>> = { stories260k: 256, stories15M: 248, embedded: 112 };

/** Answers from 8 tokens on, all lengths alike. */
async function continuousRow(model: Model, batches: number): Promise<Row> {
  const random = stream(3, 'lengths');
  const most = LONGEST[model];
  const lengths = Array.from({ length: batches * ROWS }, () => 8 + Math.floor(random() * (most - 7)));
  const job: Job = { rows: ROWS, promptTokens: 8, lengths };
  return withModel(model, false, async (page, threads) => {
    const times = await sideBySide(
      () => run(page, 'continuous', job),
      () => run(page, 'waiting', job),
      2,
    );
    const tokens = lengths.reduce((a, b) => a + b, 0);
    return {
      name: `continuous batching, answers of 8..${most} tokens, ${model}`,
      value: rate(tokens, times.ours),
      peer: `batches that wait for their longest ${rate(tokens, times.peer)}`,
      ratio: times.ratio,
      wanted: '>= 1.6x',
      facts: { ...times, threads, answers: lengths.length },
    };
  });
}

/** @param words `real`, `15M`, `prefill`, `continuous`; all where there are none */
export async function generateRows(words: readonly string[]): Promise<Row[]> {
  const wanted = (word: string) => words.length === 0 || words.includes(word);
  const real = existsSync(REAL_DATA);
  const rows: Row[] = [];
  if (wanted('real')) {
    rows.push(
      real
        ? await generateRow('stories260k', even(16, 64), 5)
        : { name: 'sampling, stories260k', value: 'not run', peer: 'its weights are not here' },
    );
  }
  if (wanted('15M')) rows.push(await generateRow('stories15M', even(16, 32), 3));
  if (wanted('prefill')) rows.push(await prefillRow());
  if (wanted('continuous')) {
    rows.push(await continuousRow('stories15M', 6));
    rows.push(await continuousRow(real ? 'stories260k' : 'embedded', 8));
  }
  return rows;
}
