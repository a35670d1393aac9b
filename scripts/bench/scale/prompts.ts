/**
 * Cost against the number of prompts: whole runs of a tiny model on the built page, so that what is measured is the
 * pipeline, IndexedDB and the page's lists rather than the model; then the finished run opened on the page.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from 'playwright';
import { stream } from '../../../src/model/random.ts';
import { parseConfig } from '../../../src/pipeline/config.ts';
import { makeDataset } from '../../../src/pipeline/dataset.ts';
import { type DataRow, type RunEvent, STAGES, type Stage } from '../../../src/pipeline/types.ts';
import { makeTinyModel } from '../../tiny-model.ts';
import { memoryNow } from '../processes.ts';
import type { Row } from '../row.ts';
import { heaps } from '../soak/heaps.ts';
import { openJobs, type WatchedApp, withWatchedApp } from '../soak/watched.ts';
import { type LongestTask, watchTasks } from '../tasks.ts';

const SIZES = [100, 1000, 10_000];
const ANSWERS = 16;
/** Between looks at the memory, in milliseconds: each collects garbage first, which takes time too. */
const EVERY = 4000;

interface Held {
  /** Bytes of JavaScript's objects and array buffers, page and workers, after a collection; the highest seen. */
  script: number;
  wasm: number;
  /** Resident memory of the page with its workers. */
  page: number;
}

interface Opened {
  /** From the address to the answers on the page. */
  readonly seconds: number;
  readonly longestTask: LongestTask;
}

interface Figures {
  readonly prompts: number;
  readonly seconds: Readonly<Partial<Record<Stage, number>>>;
  readonly held: Readonly<Partial<Record<Stage, Held>>>;
  readonly stored: number;
  readonly sample: Opened;
  readonly filter: Opened;
}

export async function promptRows(): Promise<Row[]> {
  const all: Figures[] = [];
  for (const prompts of SIZES) {
    all.push(await withWatchedApp('none', (app) => measure(app, prompts)));
    console.log(JSON.stringify(all.at(-1)));
  }
  return all.map((figures) => rowOf(figures, all[0] ?? figures));
}

async function measure(app: WatchedApp, prompts: number): Promise<Figures> {
  const { page, server, scratch } = app;
  const folder = join(scratch, 'tiny');
  await makeTinyModel('smollm2', folder);
  const file = join(scratch, 'dataset.json');
  await writeFile(file, JSON.stringify(await makeDataset('scale', rows(prompts))));
  const config = parseConfig({
    backend: 'wasm',
    model: server.offer({ kind: 'folder', name: 'tiny', path: folder }),
    data: { heldOut: 0 },
    sft: { batch: 64 },
    sample: { n: ANSWERS, maxTokens: 8 },
    dpo: { negatives: 4, batch: 64 },
  });
  const dataset = server.offer({ kind: 'file', name: 'dataset.json', path: file });
  const job = { config, name: 'scale', dataset, check: false, inbox: null, extras: null };
  const watch = new MemoryWatch(app);
  await page.exposeFunction('onSelfContrastEvent', (event: RunEvent) => watch.event(event));
  await openJobs(app);
  watch.start();
  const result = await page.evaluate((given) => window.selfContrast.start(given), job);
  const held = await watch.stop();
  if (result.type !== 'done') throw new Error(`the run ended as ${JSON.stringify(result)}`);
  const stored = await page.evaluate(async () => (await navigator.storage.estimate()).usage ?? 0);
  return {
    prompts,
    seconds: result.manifest.seconds,
    held,
    stored,
    sample: await open(page, server.origin, 'sample', 'Answers'),
    filter: await open(page, server.origin, 'filter', 'Similarity to the target, all answers'),
  };
}

/** Prompts of a dozen words, no two the same. */
function rows(count: number): DataRow[] {
  const random = stream(1, 'scale bench');
  const words = 'the cat sat on a mat and saw two birds fly over one red house near that old tree'.split(' ');
  const text = (n: number) =>
    Array.from({ length: n }, () => words[Math.floor(random() * words.length)]).join(' ');
  return Array.from({ length: count }, (_, i) => ({ prompt: `${i}: ${text(12)}`, target: text(4) }));
}

/** The run's records, read and shown: `heading` stands above them. */
async function open(page: Page, origin: string, stage: Stage, heading: string): Promise<Opened> {
  await page.goto('about:blank');
  const tasks = await watchTasks(page);
  const started = performance.now();
  await page.goto(`${origin}/#${stage}`);
  await page.getByRole('heading', { name: heading, exact: true }).first().waitFor();
  await page.getByRole('listbox', { name: 'Prompts' }).getByText(/\w/).first().waitFor();
  const seconds = (performance.now() - started) / 1000;
  return { seconds, longestTask: await tasks.stop() };
}

/** Looks at the memory now and then; keeps the highest of each stage. */
class MemoryWatch {
  private readonly held: Partial<Record<Stage, Held>> = {};
  private stage: Stage = 'model';
  private ended = false;
  private looking: Promise<void> = Promise.resolve();

  constructor(private readonly app: WatchedApp) {}

  event(event: RunEvent): void {
    if (event.type === 'stage' && event.state === 'running') this.stage = event.stage;
  }

  start(): void {
    this.looking = this.look();
  }

  async stop(): Promise<Partial<Record<Stage, Held>>> {
    this.ended = true;
    await this.looking;
    return this.held;
  }

  private async look(): Promise<void> {
    const { page, profile } = this.app;
    while (!this.ended) {
      const { stage } = this;
      const { objects, buffers, wasm } = await heaps(page);
      const now: Held = { script: objects + buffers, wasm, page: memoryNow(profile)?.page ?? 0 };
      const most = this.held[stage] ?? now;
      for (const key of ['script', 'wasm', 'page'] as const) most[key] = Math.max(most[key], now[key]);
      this.held[stage] = most;
      await new Promise((resolve) => setTimeout(resolve, this.ended ? 0 : EVERY));
    }
  }
}

const SHOWN = STAGES.filter((stage) => !['model', 'evaluate'].includes(stage));

function rowOf(figures: Figures, first: Figures): Row {
  const each = (stage: Stage, { seconds, prompts }: Figures) => (1000 * (seconds[stage] ?? 0)) / prompts;
  const stages = SHOWN.map((stage) => {
    const relative = each(stage, figures) / each(stage, first);
    return `${stage} ${each(stage, figures).toFixed(1)} (${relative.toFixed(2)})`;
  });
  const mb = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;
  const most = (key: keyof Held) => Math.max(...Object.values(figures.held).map((held) => held[key]));
  const { prompts, sample, filter, stored } = figures;
  return {
    name: `${prompts.toLocaleString('en')} prompts x ${ANSWERS} answers`,
    value: `ms a prompt (of ${first.prompts}: 1.00): ${stages.join(', ')}`,
    peer: `most held: script ${mb(most('script'))}, WASM ${mb(most('wasm'))}, page ${mb(most('page'))}; stored ${mb(stored)}; opened in ${sample.seconds.toFixed(1)} s, filter ${filter.seconds.toFixed(1)} s, longest task ${Math.max(sample.longestTask.wall, filter.longestTask.wall).toFixed(0)} ms (${Math.max(sample.longestTask.cpu, filter.longestTask.cpu).toFixed(0)} of its own)`,
    facts: { ...figures },
  };
}
