/** Starts headless Chromium, opens the headless page and runs one job in it; closes everything again. */
import type { Page } from 'playwright';
import type { RunConfig } from '../../src/pipeline/config.ts';
import { chromiumFlags, type Gpu, hasGpu, mappedHost, onlyHosts } from '../chromium.ts';
import type { LocalServer } from './server.ts';

/** How long the work may take to store what it has after Ctrl-C, in milliseconds. */
const STOP_PATIENCE = 10_000;

/** A failure whose message says all there is to say to a user. */
export class RunFailed extends Error {
  override name = 'RunFailed';
}

export interface BrowserJob {
  readonly executablePath: string;
  /** Folder of the browser's profile. */
  readonly profile: string;
  readonly server: LocalServer;
  readonly backend: RunConfig['backend'];
  /** Whether anything but the local server may be reached. */
  readonly remote: boolean;
  /** Prints a line. */
  readonly line: (text: string) => void;
}

/** Functions that the page may call: window.NAME(value). */
export type Listeners = Readonly<Record<string, (value: never) => void>>;

/**
 * Runs `work` in the open headless page.
 *
 * @returns its result, or `stopped` where Ctrl-C (or SIGTERM) came and the page could not end in time
 * @throws RunFailed where the browser or the page goes away
 */
export async function inBrowser<T>(
  job: BrowserJob,
  listeners: Listeners,
  work: (page: Page) => Promise<T>,
  stopped: T,
): Promise<T> {
  const { executablePath, profile, line } = job;
  // Loaded late: a mistyped flag should be told of at once.
  const { chromium } = await import('playwright');
  // A persistent context: its IndexedDB lies on the disk and may grow with it, a private one's in memory.
  const context = await chromium
    .launchPersistentContext(profile, {
      executablePath,
      headless: true,
      args: [...chromiumFlags(gpuFor(job)), ...hosts(job)],
      // Ctrl-C is handled below: the work stops first, then the browser.
      handleSIGINT: false,
      handleSIGTERM: false,
    })
    .catch((error: unknown) => {
      if (!/ProcessSingleton|already in use/.test(String(error))) throw error;
      throw new RunFailed('the folder is in use: another command is at work on it.');
    });
  let interrupt: () => void = () => undefined;
  let closing = false;
  try {
    const page = context.pages()[0] ?? (await context.newPage());
    const broken = new Promise<never>((_, reject) => {
      page.once('crash', () =>
        reject(new RunFailed('the page ran out of memory; see --check for what it needs.')),
      );
      context.once('close', () => {
        if (!closing) reject(new RunFailed('the browser closed unexpectedly.'));
      });
    });
    // Losing the race below must not look like an unhandled error.
    broken.catch(() => undefined);
    const interrupted = new Promise<T>((resolve) => {
      interrupt = () => {
        line('Stopping ...');
        setTimeout(() => resolve(stopped), STOP_PATIENCE).unref();
        page.evaluate(() => window.selfContrast.stop()).catch(() => resolve(stopped));
      };
    });
    process.once('SIGINT', interrupt);
    process.once('SIGTERM', interrupt);
    return await Promise.race([opened(page, job, listeners).then(work), broken, interrupted]);
  } finally {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
    closing = true;
    await context.close();
  }
}

/** What may be reached, and how the server is. */
function hosts({ server: { origin, mapping }, remote }: BrowserJob): string[] {
  if (mapping !== null) return [mappedHost(mapping, !remote)];
  return remote ? [] : [onlyHosts(new URL(origin).hostname)];
}

async function opened(page: Page, { server, line }: BrowserJob, listeners: Listeners): Promise<Page> {
  page.on('pageerror', (error) => line(`The page reports: ${error.message}`));
  if (process.env.DEBUG) page.on('console', (message) => line(`[page] ${message.text()}`));
  for (const [name, listener] of Object.entries(listeners)) await page.exposeFunction(name, listener);
  await page.goto(`${server.origin}/headless.html`);
  await page.waitForFunction(() => window.selfContrast !== undefined);
  return page;
}

/** A real GPU where there is one; its emulation only for those who ask for WebGPU by name. */
function gpuFor({ backend, line }: BrowserJob): Gpu {
  if (backend === 'wasm') return 'none';
  if (hasGpu()) return 'hardware';
  if (backend === 'auto') return 'none';
  line('No GPU found: WebGPU is emulated on the CPU (SwiftShader), which is very slow.');
  return 'software';
}
