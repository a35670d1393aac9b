/**
 * What every parser owes any input: a result, or an error of its own with words in it, within a time and in memory.
 *
 *     npm test                                     about 100 inputs a property, always the same ones
 *     npm run test:fuzz                            2,000 and more, others every time; prints the seed
 *     FUZZ_SEED=42 FUZZ_RUNS=2000 npx vitest run --project unit test/fuzz
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';

export const RUNS = Number(process.env.FUZZ_RUNS ?? 100);
const LONG = RUNS > 500;
/** The long form takes other inputs every time. */
const SEED = process.env.FUZZ_SEED ? Number(process.env.FUZZ_SEED) : LONG ? undefined : 1;

/** Processor time an input may take, in milliseconds: not the clock's, which others at work would stretch. */
const TIME = 3000;
/** Memory that all inputs of a property together may add, in bytes. */
const MEMORY = 1.5 * 2 ** 30;
/** Characters that a message may have. */
const MESSAGE = 3000;

type ErrorClass = abstract new (...args: never[]) => Error;

export interface Property<T> {
  readonly inputs: fc.Arbitrary<T>;
  readonly read: (input: T) => unknown;
  /** Errors that the parser may throw; any other is a fault. */
  readonly errors: readonly ErrorClass[];
  /** Inputs that must be among those tried. */
  readonly examples?: readonly T[];
  /** More than the usual time, where reading a good file takes it. */
  readonly milliseconds?: number;
}

/** Registers a test. */
export function fuzz<T>(
  name: string,
  { inputs, read, errors, examples = [], milliseconds = TIME }: Property<T>,
) {
  test(
    name,
    async () => {
      const tally = { results: 0, refusals: 0, slowest: 0 };
      const before = process.memoryUsage.rss();
      const once = async (input: T): Promise<void> => {
        const start = process.cpuUsage();
        let problem: unknown;
        try {
          await read(input);
          tally.results++;
        } catch (error) {
          problem = error;
        }
        const { user, system } = process.cpuUsage(start);
        const spent = (user + system) / 1000;
        tally.slowest = Math.max(tally.slowest, spent);
        if (problem !== undefined) {
          checkError(problem, errors);
          tally.refusals++;
        }
        if (spent > milliseconds) throw new Error(`it took ${Math.round(spent)} ms`);
        const grown = process.memoryUsage.rss() - before;
        if (grown > MEMORY) throw new Error(`the process grew by ${Math.round(grown / 2 ** 20)} MB`);
      };
      const found = await fc.check(fc.asyncProperty(inputs, once), {
        numRuns: RUNS,
        ...(SEED === undefined ? {} : { seed: SEED }),
        examples: examples.map((input): [T] => [input]),
        // The first counterexample will do: smaller ones of a slow one would take all day.
        endOnFailure: true,
      });
      if (found.failed) {
        const { errorInstance, counterexample, counterexamplePath, seed } = found;
        const input = fc.stringify(counterexample?.[0]).slice(0, 600);
        throw new Error(`${errorInstance}\nseed ${seed}, path ${counterexamplePath}, input ${input}`, {
          cause: errorInstance,
        });
      }
      expect(tally.results + tally.refusals).toBeGreaterThanOrEqual(RUNS);
      if (LONG) {
        const { results, refusals, slowest } = tally;
        console.log(
          `${name}: ${results} read, ${refusals} refused; slowest ${Math.round(slowest)} ms; seed ${found.seed}`,
        );
      }
    },
    LONG ? 3_600_000 : 300_000,
  );
}

function checkError(problem: unknown, errors: readonly ErrorClass[]): void {
  if (!(problem instanceof Error)) throw new Error(`it threw ${String(problem)}, which is no Error`);
  if (!errors.some((known) => problem instanceof known)) {
    throw new Error(`it threw ${problem.name}, which is not its own: ${problem.message.slice(0, 300)}`, {
      cause: problem,
    });
  }
  if (problem.message.trim() === '') throw new Error('its error says nothing');
  if (problem.message.length > MESSAGE) {
    throw new Error(`its message has ${problem.message.length} characters: ${problem.message.slice(0, 100)}`);
  }
}
