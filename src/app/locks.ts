/** Who may write to a run: the tab that holds its lock. The browser gives it back when a tab closes or crashes. */

const PREFIX = 'run ';
/** A tab that only renames a run is done in a moment; one that runs it is not. */
const PATIENCE_MS = 1500;

/** The run is being worked on, here or in another tab. */
export class RunLocked extends Error {
  override readonly name = 'RunLocked';
}

/** Runs whose locks this tab holds. */
const mine = new Set<string>();

/** @throws RunLocked where the run is at work elsewhere; then `work` was not begun */
export async function withRun<T>(id: string, work: () => Promise<T>): Promise<T> {
  let begun = false;
  try {
    return await navigator.locks.request(
      PREFIX + id,
      { signal: AbortSignal.timeout(PATIENCE_MS) },
      async () => {
        begun = true;
        mine.add(id);
        try {
          return await work();
        } finally {
          mine.delete(id);
        }
      },
    );
  } catch (error) {
    if (begun) throw error;
    const what = mine.has(id) ? 'Pause it first.' : 'Pause it in the other tab, or close that tab.';
    throw new RunLocked(`The run is at work. ${what}`, { cause: error });
  }
}

/** All of the locks, or none of them. */
export async function withRuns<T>(ids: readonly string[], work: () => Promise<T>): Promise<T> {
  const [first, ...rest] = ids;
  return first === undefined ? work() : withRun(first, () => withRuns(rest, work));
}

/** Runs whose locks other tabs hold. */
export async function heldElsewhere(): Promise<ReadonlySet<string>> {
  const { held = [] } = await navigator.locks.query();
  const ids = held.flatMap(({ name = '' }) => (name.startsWith(PREFIX) ? [name.slice(PREFIX.length)] : []));
  return new Set(ids.filter((id) => !mine.has(id)));
}
