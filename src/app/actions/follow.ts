/** Watches what other tabs do: a run at work there is followed live, and can be gone on with here once they end. */
import type { RunEvent } from '../../pipeline/types.ts';
import { heldElsewhere } from '../locks.ts';
import { problemOf } from '../problems.ts';
import { elsewhere, elsewhereRuns, endedElsewhere, problem, runs, said, view, working } from '../signals.ts';
import { reduceEvents } from '../state.ts';
import { listen } from '../tabs.ts';
import { listRuns, newRun, openRun, readRecords, refreshAfter, showRunning } from './runs.ts';

const EVERY_MS = 1000;

/** Held when it was looked at last; null before the first look. */
let seen: ReadonlySet<string> | null = null;

/** Begins to watch; called once. */
export async function followTabs(): Promise<void> {
  listen((message) => {
    if (message.type === 'runs') void refreshList();
    else followEvents(message.run, message.events);
  });
  await look();
  window.setInterval(() => {
    if (!document.hidden) void look();
  }, EVERY_MS);
  document.addEventListener('visibilitychange', () => void look());
}

/** A lock held at two looks in a row is a run at work; one held for a moment is a name being changed. */
async function look(): Promise<void> {
  const held = await heldElsewhere();
  const before = seen;
  seen = held;
  await take(new Set([...held].filter((id) => before === null || before.has(id))));
}

async function take(next: ReadonlySet<string>): Promise<void> {
  const was = elsewhere.peek();
  const same =
    next.size === elsewhereRuns.peek().size && [...next].every((id) => elsewhereRuns.peek().has(id));
  if (same) return;
  elsewhereRuns.value = next;
  const id = view.peek().manifest?.id;
  if (id === undefined || was === elsewhere.peek()) return;
  try {
    await readRecords(id);
    if (elsewhere.peek()) await showRunning(id);
    else {
      endedElsewhere.value = id;
      said.value = 'The other tab has ended. The run can be gone on with here.';
      await listRuns();
    }
  } catch (error) {
    problem.value = problemOf('The run could not be read', error, 'Nothing was changed.');
  }
}

function followEvents(run: string, events: readonly RunEvent[]): void {
  if (working.value || view.value.manifest?.id !== run) return;
  if (!elsewhere.value) void take(new Set([...elsewhereRuns.value, run]));
  view.value = reduceEvents(view.value, events);
  for (const event of events) {
    if (event.type === 'stage' && event.state === 'done') void refreshAfter(event.stage);
  }
}

/** Another tab has made, named or deleted runs. */
async function refreshList(): Promise<void> {
  try {
    await listRuns();
    const shown = view.value.manifest;
    if (shown === null || working.value) return;
    const stored = runs.value.find(({ id }) => id === shown.id);
    if (stored !== undefined) {
      view.value = { ...view.value, manifest: { ...shown, name: stored.name, notes: stored.notes } };
      return;
    }
    said.value = `${shown.name} was deleted in another tab.`;
    const [next] = runs.value;
    if (next === undefined) newRun();
    else await openRun(next.id);
  } catch {
    // The next change of the list is told again.
  }
}
