/** One run of the built app in a browser that is killed again and again, until it has ended. */
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from 'playwright';
import type { HeadlessJob, HeadlessResult } from '../../src/app/headless.ts';
import { parseConfig } from '../../src/pipeline/config.ts';
import { RUN_TIMINGS, repeatable } from '../../src/pipeline/repeatable.ts';
import type { Report, RunEvent, Stage } from '../../src/pipeline/types.ts';
import { chromiumFlags } from '../chromium.ts';
import type { LocalServer } from '../headless/server.ts';
import { type KillableBrowser, startBrowser } from './browser.ts';
import type { Kill } from './plan.ts';

/** Small, but every stage has several units of work, and answers that are cut off in the middle of a batch. */
export const CONFIG = parseConfig({
  backend: 'wasm',
  data: { limit: 16, heldOut: 6 },
  sft: { epochs: 2, batch: 4 },
  sample: { n: 6, maxTokens: 20 },
  dpo: { negatives: 2, epochs: 2, batch: 4 },
  evaluate: { samples: 4 },
});

export interface Setting {
  readonly browser: string;
  readonly server: LocalServer;
  /** The job without its inbox. */
  readonly job: Omit<HeadlessJob, 'inbox'>;
}

export interface Ended {
  /** By path; report.json and run.json without what an interruption may change. */
  readonly files: ReadonlyMap<string, Buffer>;
  /** The stage in which each kill met the run. */
  readonly killedIn: readonly Stage[];
  /** Seconds of each stage in the last sitting that ran it. */
  readonly seconds: Readonly<Partial<Record<Stage, number>>>;
}

/** Runs to the end on a fresh profile, killed as planned. */
export async function crashRun(
  setting: Setting,
  folder: string,
  kills: readonly Kill[],
  seconds: Ended['seconds'],
): Promise<Ended> {
  const out = join(folder, 'out');
  await mkdir(out, { recursive: true });
  const inbox = setting.server.receive(out);
  const planned = [...kills];
  const killedIn: Stage[] = [];
  for (;;) {
    const sitting = await sit(setting, join(folder, 'profile'), inbox, planned, seconds);
    if ('killedIn' in sitting) killedIn.push(sitting.killedIn);
    else return { files: await results(out), killedIn, seconds: sitting.seconds };
  }
}

type Sitting = { readonly killedIn: Stage } | { readonly seconds: Ended['seconds'] };

/** One life of the browser: to the end of the run, or to the next planned kill. */
async function sit(
  setting: Setting,
  profile: string,
  inbox: string,
  planned: Kill[],
  expected: Ended['seconds'],
): Promise<Sitting> {
  const browser = await startBrowser(setting.browser, profile, chromiumFlags('none'));
  const watch = new StageWatch();
  const killed = new Promise<'killed'>((resolve, reject) => {
    watch.onStage = (stage) => {
      // The kill of a stage that an earlier life has finished meanwhile falls into the next one that begins.
      const [next] = planned;
      if (!next || watch.armed || !isDue(stage, next.stage)) return;
      watch.armed = true;
      planned.shift();
      setTimeout(
        () => browser.kill().then(() => resolve('killed'), reject),
        next.share * (expected[next.stage] ?? 0.5) * 1000,
      );
    };
  });
  try {
    const outcome = await Promise.race([
      killed,
      drive(browser, setting, inbox, watch).catch(async (error: unknown) => {
        // A killed browser fails every call; only a living one's failure counts.
        if (watch.armed) return killed;
        throw error;
      }),
    ]);
    if (outcome === 'killed') return { killedIn: watch.current };
    if (outcome.type === 'done') return { seconds: outcome.manifest.seconds };
    throw new Error(`the run ended as ${JSON.stringify(outcome)}`);
  } finally {
    await browser.kill();
  }
}

const ORDER: readonly Stage[] = ['model', 'data', 'sft', 'sample', 'filter', 'dpo', 'evaluate'];
const isDue = (now: Stage, planned: Stage): boolean => ORDER.indexOf(now) >= ORDER.indexOf(planned);

class StageWatch {
  current: Stage = 'model';
  /** A kill is on its way. */
  armed = false;
  onStage: (stage: Stage) => void = () => {};

  event(event: RunEvent): void {
    if (event.type !== 'stage' || event.state !== 'running') return;
    this.current = event.stage;
    this.onStage(event.stage);
  }
}

/** Opens the page and starts the run, or goes on with the one that is stored. */
async function drive(
  { page }: KillableBrowser,
  { server, job }: Setting,
  inbox: string,
  watch: StageWatch,
): Promise<HeadlessResult> {
  await page.exposeFunction('onSelfContrastEvent', (event: RunEvent) => watch.event(event));
  await page.goto(`${server.origin}/headless.html`);
  await page.waitForFunction(() => window.selfContrast !== undefined);
  watch.onStage('model');
  const stored = await storedRun(page);
  if (stored === null) return page.evaluate((given) => window.selfContrast.start(given), { ...job, inbox });
  return page.evaluate(([id, to]) => window.selfContrast.resume(id, to), [stored, inbox] as const);
}

async function storedRun(page: Page): Promise<string | null> {
  const ids = await page.evaluate(async () => (await window.selfContrast.runs()).map((run) => run.id));
  if (ids.length > 1) throw new Error(`${ids.length} runs are stored where one was begun`);
  return ids[0] ?? null;
}

/** The files of OUT as they are compared, by path. */
export async function results(out: string): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  for (const entry of await readdir(out, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    files.set(path.slice(out.length + 1), comparable(entry.name, await readFile(path)));
  }
  return files;
}

function comparable(name: string, bytes: Buffer): Buffer {
  if (name === 'report.json') {
    const report: Report = JSON.parse(bytes.toString());
    return Buffer.from(JSON.stringify(repeatable(report)));
  }
  if (name === 'run.json') {
    const record: Record<string, unknown> = JSON.parse(bytes.toString());
    return Buffer.from(JSON.stringify(Object.entries(record).filter(([key]) => !RUN_TIMINGS.includes(key))));
  }
  return bytes;
}

/** Paths whose bytes differ, or that only one side has. */
export function differences(a: Ended['files'], b: Ended['files']): string[] {
  return [...new Set([...a.keys(), ...b.keys()])].filter((path) => {
    const [x, y] = [a.get(path), b.get(path)];
    return !x || !y || !x.equals(y);
  });
}
