/** Builds the app into dist/, where it is missing or older than its sources. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SOURCES = [
  'src',
  'workers',
  'public',
  'index.html',
  'headless.html',
  'vite.config.ts',
  'scripts/lib/headers.ts',
  'package.json',
  'package-lock.json',
];
/** Holds the time the build began, so that a file saved while it ran counts as newer. */
const STAMP = '.built';

/** Path of an up-to-date dist/. */
export async function freshDist(log: (line: string) => void): Promise<string> {
  const dist = join(ROOT, 'dist');
  const stamp = join(dist, STAMP);
  const built = existsSync(stamp) ? Number(readFileSync(stamp, 'utf8')) : 0;
  if (built > newest(SOURCES.map((name) => join(ROOT, name)))) return dist;
  log('Building the app ...');
  // Built aside and swapped in whole: a failed or interrupted build leaves no half of one behind.
  const aside = join(ROOT, 'node_modules', '.self-contrast', `build-${process.pid}`);
  const started = Date.now();
  try {
    const { build } = await import('vite');
    await build({ root: ROOT, logLevel: 'error', build: { outDir: aside, emptyOutDir: true } });
    await writeFile(join(aside, STAMP), String(started));
    const old = `${aside}-old`;
    await mkdir(old, { recursive: true });
    if (existsSync(dist)) await rename(dist, join(old, 'dist'));
    await rename(aside, dist);
    await rm(old, { recursive: true, force: true });
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
  return dist;
}

/** Latest modification time below the given paths, in milliseconds. */
function newest(paths: readonly string[]): number {
  let latest = 0;
  for (const path of paths) {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) continue;
    latest = Math.max(latest, stat.mtimeMs);
    if (stat.isDirectory())
      latest = Math.max(latest, newest(readdirSync(path).map((name) => join(path, name))));
  }
  return latest;
}
