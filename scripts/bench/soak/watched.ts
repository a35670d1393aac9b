/** The built app in a browser of its own, with counters before the text of its page and of each of its workers. */
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium, type Page } from 'playwright';
import { transformWithOxc } from 'vite';
import { chromiumFlags, type Gpu } from '../../chromium.ts';
import { freshDist } from '../../headless/build.ts';
import { type LocalServer, startServer } from '../../headless/server.ts';
import { setup } from '../../setup.ts';
import { PATIENCE } from '../browser.ts';

const INSTRUMENT = fileURLToPath(new URL('./instrument.ts', import.meta.url));

export interface WatchedApp {
  readonly page: Page;
  readonly server: LocalServer;
  /** Of the browser; names its processes. */
  readonly profile: string;
  /** For files; removed at the end. */
  readonly scratch: string;
}

export async function withWatchedApp<T>(gpu: Gpu, work: (app: WatchedApp) => Promise<T>): Promise<T> {
  const scratch = await mkdtemp(join(tmpdir(), 'self-contrast-watched-'));
  const { code: script } = await transformWithOxc(await readFile(INSTRUMENT, 'utf8'), INSTRUMENT);
  const server = await startServer(await watchedDist(scratch, script));
  const profile = join(scratch, 'profile');
  // Persistent: a private context keeps its IndexedDB in memory.
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: setup(),
    headless: true,
    args: chromiumFlags(gpu),
  });
  try {
    const page = context.pages()[0] ?? (await context.newPage());
    page.setDefaultTimeout(PATIENCE);
    await page.addInitScript(script);
    return await work({ page, server, profile, scratch });
  } finally {
    await context.close();
    await server.close();
    await rm(scratch, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** A copy of the built app with `script` before each of its workers' own text. */
async function watchedDist(scratch: string, script: string): Promise<string> {
  const dist = join(scratch, 'dist');
  await cp(await freshDist(console.log), dist, { recursive: true });
  const workers = /^(model|embedder|data|project|hub)-.*\.js$/;
  for (const folder of ['assets', 'hub']) {
    for (const name of await readdir(join(dist, folder))) {
      if (!workers.test(name)) continue;
      const path = join(dist, folder, name);
      await writeFile(path, `${script}\n${await readFile(path, 'utf8')}`);
    }
  }
  return dist;
}

/** Opens the page that runs jobs. */
export async function openJobs({ page, server }: WatchedApp): Promise<void> {
  await page.goto(`${server.origin}/headless.html`);
  await page.waitForFunction(() => window.selfContrast !== undefined);
}
