/**
 * `npm test`: sets the machine up, checks types and style, runs the unit, page and browser tests, and ends
 * with the line `N passed, N failed, N skipped`, summed over all. Arguments are passed on as file filters.
 */
import { spawnSync } from 'node:child_process';
import { startVitest } from 'vitest/node';
import { setup } from './setup.ts';

const CHECKS = [
  ['tsc', '-p', 'tsconfig.pure.json'],
  ['tsc', '-p', 'tsconfig.json'],
  ['biome', 'ci', '.'],
];

interface Totals {
  passed: number;
  failed: number;
  skipped: number;
}

/** Runs types and style checks; returns the commands that failed. All are run, so that all is told at once. */
function failedChecks(): string[] {
  return CHECKS.flatMap((command) => {
    const text = command.join(' ');
    console.log(`> ${text}`);
    // npm puts node_modules/.bin on the path of its scripts.
    // Biome colours its output even where nobody looks at it in a terminal.
    const colour = command[0] === 'biome' && !process.stdout.isTTY ? ['--colors=off'] : [];
    const { status } = spawnSync(command[0] ?? '', [...command.slice(1), ...colour], { stdio: 'inherit' });
    return status === 0 ? [] : [text];
  });
}

/** Runs every vitest project. A file that can't be loaded and an error outside any test count as failed. */
async function runTests(filters: string[]): Promise<Totals> {
  const totals: Totals = { passed: 0, failed: 0, skipped: 0 };
  const vitest = await startVitest('test', filters, { watch: false });
  for (const module of vitest.state.getTestModules()) {
    let seen = 0;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      // A test still pending at the end never ran: its page or worker died.
      totals[state === 'pending' ? 'failed' : state]++;
      seen++;
    }
    const errors = module.errors().length;
    if (errors > 0 || (seen === 0 && module.state() === 'failed')) totals.failed++;
  }
  totals.failed += vitest.state.getUnhandledErrors().length;
  await vitest.close();
  return totals;
}

let broken: string[] = [];
let totals: Totals = { passed: 0, failed: 1, skipped: 0 };
try {
  setup();
  broken = failedChecks();
  totals = await runTests(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
}
for (const command of broken) console.error(`Check failed: ${command}`);
console.log(`\n${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
process.exit(broken.length > 0 || totals.failed > 0 || totals.passed === 0 ? 1 : 0);
