/**
 * `npm run bench -- --only soak [webgpu] [--minutes 60]`: whole short runs on the built page, one after the other,
 * each deleted when it is done; whether anything is left of them, in memory or stored.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright';
import { parseConfig } from '../../src/pipeline/config.ts';
import { loadDataset } from '../headless/data.ts';
import { median } from './measure.ts';
import { memoryNow } from './processes.ts';
import type { BenchOptions, Row } from './row.ts';
import { type Heaps, heaps } from './soak/heaps.ts';
import { trend } from './soak/trend.ts';
import { openJobs, type WatchedApp, withWatchedApp } from './soak/watched.ts';

const DATA = fileURLToPath(new URL('../../public/datasets/word-helper/train.jsonl', import.meta.url));
const MINUTES = 60;

/** Every stage has several units of work. */
const SHORT = {
  data: { limit: 12, heldOut: 4 },
  sft: { batch: 4 },
  sample: { n: 6, maxTokens: 20 },
  filter: { percent: 100 },
  dpo: { negatives: 2, batch: 4 },
  evaluate: { samples: 2 },
};

/** Bytes, but connections and workers; after a run has ended and is deleted. */
interface Sample extends Heaps {
  readonly hours: number;
  /** Resident memory of the page with its workers, and of all processes of the browser. */
  readonly page: number;
  readonly browser: number;
  /** By navigator.storage.estimate. */
  readonly stored: number;
}

type Series = Exclude<keyof Sample, 'hours'>;

interface Watched {
  readonly name: string;
  /** The most it may grow in an hour; the noise of the figure, not a leak that would be fine. */
  readonly most: (level: number) => number;
}

const MB = 1e6;
const WATCHED: Readonly<Record<Series, Watched>> = {
  objects: { name: 'JS objects', most: () => 3 * MB },
  buffers: { name: 'array buffers', most: () => 3 * MB },
  wasm: { name: 'WASM heap', most: () => 0 },
  gpu: { name: 'GPU buffers', most: () => 0 },
  page: { name: 'page, resident', most: (level) => 0.05 * level },
  browser: { name: 'browser, resident', most: (level) => 0.05 * level },
  stored: { name: 'stored', most: () => 5 * MB },
  connections: { name: 'connections', most: () => 0 },
  workers: { name: 'workers', most: () => 0 },
};
const SERIES = Object.keys(WATCHED).filter((name): name is Series => name in WATCHED);
const COUNTED: ReadonlySet<Series> = new Set(['connections', 'workers']);

export function soakRows({ words, minutes }: BenchOptions): Promise<Row[]> {
  const backend = words.includes('webgpu') ? 'webgpu' : 'wasm';
  return withWatchedApp(backend === 'webgpu' ? 'software' : 'none', async (app) => [
    soakRow(backend, await runsFor(app, backend, minutes ?? MINUTES)),
  ]);
}

/** Runs until the time is over; what was held and stored after each. */
async function runsFor(app: WatchedApp, backend: 'wasm' | 'webgpu', minutes: number): Promise<Sample[]> {
  const { page, server, profile, scratch } = app;
  const config = parseConfig({ backend, ...SHORT });
  const file = join(scratch, 'dataset.json');
  await writeFile(file, JSON.stringify((await loadDataset(DATA, config)).dataset));
  const dataset = server.offer({ kind: 'file', name: 'dataset.json', path: file });
  const job = { config, name: 'soak', dataset, check: false, inbox: null, extras: null };
  await openJobs(app);
  const samples: Sample[] = [];
  const started = performance.now();
  const hours = () => (performance.now() - started) / 3_600_000;
  while (hours() * 60 < minutes) {
    await page.evaluate(async (given) => {
      const id = await window.selfContrast.create(given);
      const result = await window.selfContrast.resume(id, null);
      if (result.type !== 'done') throw new Error(`the run ended as ${JSON.stringify(result)}`);
      await window.selfContrast.remove(id);
    }, job);
    const sample = { hours: hours(), ...(await sampled(page, profile)) };
    samples.push(sample);
    console.log(`${(sample.hours * 60).toFixed(1).padStart(6)} min  ${SERIES.map(told(sample)).join('  ')}`);
  }
  return samples;
}

const amount = (series: Series, value: number): string =>
  COUNTED.has(series) ? value.toFixed(0) : `${(value / MB).toFixed(1)} MB`;

const told = (sample: Sample) => (series: Series) => `${series} ${amount(series, sample[series])}`;

async function sampled(page: Page, profile: string): Promise<Omit<Sample, 'hours'>> {
  const held = await heaps(page);
  const stored = await page.evaluate(async () => (await navigator.storage.estimate()).usage ?? 0);
  return { ...held, ...(memoryNow(profile) ?? { page: 0, browser: 0 }), stored };
}

function soakRow(backend: string, samples: readonly Sample[]): Row {
  const trends = SERIES.map((series) => {
    const points = samples.map((sample) => ({ hours: sample.hours, value: sample[series] }));
    const { level, anHour } = trend(points);
    const most = WATCHED[series].most(level);
    return { series, level, anHour, most, flat: anHour <= most };
  });
  const growing = trends.filter(({ flat }) => !flat);
  const figures = trends.map(
    ({ series, level, anHour }) =>
      `${WATCHED[series].name} ${amount(series, level)} ${anHour < 0 ? '' : '+'}${amount(series, anHour)}`,
  );
  const minutes = 60 * (samples.at(-1)?.hours ?? 0);
  const apart = samples.map(({ hours }, i) => 60 * (hours - (samples[i - 1]?.hours ?? 0)));
  return {
    name: `soak, ${backend}: ${samples.length} whole runs in ${minutes.toFixed(0)} min`,
    value:
      growing.length === 0
        ? 'flat'
        : `grows: ${growing.map(({ series }) => WATCHED[series].name).join(', ')}`,
    peer: `level, and growth an hour: ${figures.join('; ')}`,
    wanted: 'flat',
    facts: { minutes, minutesARun: median(apart), trends, samples },
  };
}
