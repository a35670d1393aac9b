/** Everything a test or a headless run needs beyond `npm ci`: a browser. Safe to call again and again. */
import { pathToFileURL } from 'node:url';
import { ensureChromium } from './chromium.ts';

/** Prepares the machine; returns the browser's path. */
export function setup(): string {
  return ensureChromium();
}

const main = process.argv[1];
if (main !== undefined && import.meta.url === pathToFileURL(main).href) {
  try {
    console.log(`browser: ${setup()}`);
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  }
}
