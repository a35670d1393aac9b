/** Pages of the benchmarks in a browser: the sources as they are, served with the headers that threads need. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { chromium, type Page } from 'playwright';
import { createServer } from 'vite';
import { ortFiles, SHARED, serveFolder } from '../../vite.config.ts';
import { chromiumFlags } from '../chromium.ts';
import { ISOLATION_HEADERS } from '../lib/headers.ts';
import { setup } from '../setup.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Real weights, where they are. */
const REAL_DATA = fileURLToPath(new URL('../../../shared/realdata', import.meta.url));
/** The longest that one call on a page may take, in milliseconds: models are made up and compiled in it. */
export const PATIENCE = 3_600_000;

/** @param work gets the address of the project's root */
export async function withSources<T>(work: (address: string) => Promise<T>): Promise<T> {
  const server = await createServer({
    ...SHARED,
    configFile: false,
    root: ROOT,
    logLevel: 'error',
    plugins: [ortFiles(), ...(existsSync(REAL_DATA) ? [serveFolder('/realdata/', REAL_DATA)] : [])],
    // A file that changes meanwhile must not reload the page.
    server: { headers: ISOLATION_HEADERS, host: '127.0.0.1', port: 0, hmr: false, watch: null },
  });
  try {
    await server.listen();
    const [address] = server.resolvedUrls?.local ?? [];
    if (address === undefined) throw new Error('internal: the server has no address');
    return await work(address);
  } finally {
    await server.close();
  }
}

/**
 * @param path of the page from the project's root
 * @param adapter which GPU the browser may use
 */
export const withBenchPage = <T>(
  path: string,
  adapter: Parameters<typeof chromiumFlags>[0],
  work: (page: Page) => Promise<T>,
): Promise<T> =>
  withSources(async (address) => {
    const browser = await chromium.launch({
      executablePath: setup(),
      headless: true,
      args: chromiumFlags(adapter),
    });
    try {
      const page = await browser.newPage();
      page.setDefaultTimeout(PATIENCE);
      await page.goto(address + path);
      return await work(page);
    } finally {
      await browser.close();
    }
  });
