/** Embedding of real answers with a real embedder, against transformers.js one text after the other. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright';
import { withBenchPage } from './browser.ts';
import { realAnswers } from './embedding/texts.ts';
import type { Row } from './row.ts';

const REAL_DATA = fileURLToPath(new URL('../../../shared/realdata', import.meta.url));
const EMBEDDER = 'embedder-m2v-bge64';
const TEXTS = 2000;

export async function embeddingRows(): Promise<Row[]> {
  if (!existsSync(REAL_DATA))
    return [{ name: 'embedding', value: 'not run', peer: '../shared/realdata is absent' }];
  return withBenchPage('scripts/bench/embedding/index.html', 'none', async (page) => {
    await serveFolder(page, '/real/', join(REAL_DATA, EMBEDDER));
    await page.waitForFunction(() => window.embeddingBench !== undefined);
    const threads = availableParallelism();
    const folder = new URL('/real/embedder/', page.url()).href;
    await page.evaluate(([address, count]) => window.embeddingBench.open(address, count), [
      folder,
      threads,
    ] as const);
    const rows: Row[] = [];
    for (const duplicates of [false, true]) rows.push(await row(page, threads, duplicates));
    return rows;
  });
}

async function serveFolder(page: Page, prefix: string, folder: string): Promise<void> {
  await page.route(`**${prefix}**`, async (route) => {
    const path = new URL(route.request().url()).pathname.replace(/^.*\/embedder\//, '');
    const body = await readFile(join(folder, path)).catch(() => null);
    await route.fulfill(body ? { body } : { status: 404 });
  });
}

async function row(page: Page, threads: number, duplicates: boolean): Promise<Row> {
  const texts = await realAnswers(REAL_DATA, TEXTS, duplicates);
  const compared = await page.evaluate(([list, repeats]) => window.embeddingBench.compare(list, repeats), [
    texts,
    3,
  ] as const);
  const rate = (seconds: number) => `${Math.round(texts.length / seconds)} texts/s`;
  return {
    name: `embedding ${TEXTS} answers, ${duplicates ? `${new Set(texts).size} distinct` : 'all distinct'}`,
    value: `${rate(compared.ours)}`,
    peer: `transformers.js one by one: ${rate(compared.peer)}`,
    ratio: compared.ratio,
    wanted: 'at least 3x',
    facts: { embedder: EMBEDDER, threads, ...compared },
  };
}
