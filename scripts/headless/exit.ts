/** How the commands end. */
import { UsageError } from './fail.ts';

/** Exit codes: a failed run, a wrong command line, an interrupted run (as shells have it). */
export const FAILED = 1;
export const USAGE = 2;
export const INTERRUPTED = 130;

/** Runs a command; whatever goes wrong is told in one line. */
export async function command(
  name: string,
  main: (argv: readonly string[]) => Promise<number>,
): Promise<void> {
  try {
    process.exitCode = await main(process.argv.slice(2));
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    console.error(`${name}: ${message}`);
    if (process.env.DEBUG && error instanceof Error) console.error(error.stack);
    process.exitCode = error instanceof UsageError ? USAGE : FAILED;
  }
}
