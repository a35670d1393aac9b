import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { playwright } from '@vitest/browser-playwright';
import { defineConfig } from 'vitest/config';
import { chromiumFlags, findChromium } from './scripts/chromium.ts';
import { ISOLATION_HEADERS } from './scripts/lib/headers.ts';
import { ortFiles, SHARED, serveFolder } from './vite.config.ts';

const REAL_DATA = fileURLToPath(new URL('../shared/realdata', import.meta.url));

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          environment: 'node',
          // The fuzz tests take their short form here; see test/fuzz/fuzz.ts.
          include: ['test/unit/**/*.test.ts', 'test/fuzz/**/*.test.ts'],
          testTimeout: 120_000,
          // A report carries its styles within it.
          css: { include: [/\/src\/report\//] },
        },
      },
      {
        test: {
          name: 'page',
          environment: 'node',
          include: ['test/page/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 180_000,
          // What the page shows comes when it comes: other work may fill the cores.
          expect: { poll: { timeout: 20_000 } },
          // Each drives a browser of its own; one at a time, and after the unit tests.
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
      {
        ...SHARED,
        plugins: [ortFiles(), ...(existsSync(REAL_DATA) ? [serveFolder('/realdata/', REAL_DATA)] : [])],
        server: { headers: ISOLATION_HEADERS },
        define: { __REAL_DATA__: JSON.stringify(existsSync(REAL_DATA) ? '/realdata/' : null) },
        test: {
          name: 'browser',
          include: ['test/browser/**/*.test.{ts,tsx}'],
          globalSetup: 'test/fixtures/hub-setup.ts',
          css: { include: [/\/src\/report\//] },
          testTimeout: 120_000,
          hookTimeout: 120_000,
          // One page at a time, beside one test of the built page: neither keeps two cores busy alone.
          fileParallelism: false,
          sequence: { groupOrder: 1 },
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            provider: playwright({
              launchOptions: { executablePath: findChromium() ?? undefined, args: chromiumFlags('software') },
            }),
            instances: [{ browser: 'chromium' }],
          },
        },
      },
    ],
  },
});
