/** How long a page's main thread is held up, from the browser's own trace. */
import type { CDPSession, Page } from 'playwright';

export interface LongestTask {
  /** Milliseconds as a user feels them: those in which other programs had the processor included. */
  readonly wall: number;
  /** Milliseconds in which the task itself ran: the same on a busy machine as on a quiet one. */
  readonly cpu: number;
}

/** The part of a trace event that is used; times in microseconds. */
interface TraceEvent {
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  readonly dur?: number;
  readonly tdur?: number;
  readonly args?: { readonly name?: string };
}

const CATEGORIES = ['disabled-by-default-devtools.timeline', '__metadata'];

/** Watches from now on. */
export async function watchTasks(page: Page): Promise<{ stop(): Promise<LongestTask> }> {
  const session = await page.context().newCDPSession(page);
  const events: TraceEvent[] = [];
  session.on('Tracing.dataCollected', ({ value }) => {
    for (const event of value) if (isTraceEvent(event)) events.push(event);
  });
  await session.send('Tracing.start', {
    transferMode: 'ReportEvents',
    traceConfig: { includedCategories: CATEGORIES, excludedCategories: ['*'] },
  });
  return { stop: () => longest(session, events) };
}

async function longest(session: CDPSession, events: readonly TraceEvent[]): Promise<LongestTask> {
  const complete = new Promise((resolve) => session.once('Tracing.tracingComplete', resolve));
  await session.send('Tracing.end');
  await complete;
  await session.detach();
  const main = new Set(
    events
      .filter(({ name, args }) => name === 'thread_name' && args?.name === 'CrRendererMain')
      .map(({ pid, tid }) => `${pid} ${tid}`),
  );
  const tasks = events.filter(({ name, pid, tid }) => name === 'RunTask' && main.has(`${pid} ${tid}`));
  if (tasks.length === 0)
    throw new Error('the trace has no tasks of the page: its events have other names now');
  return {
    wall: Math.max(...tasks.map(({ dur = 0 }) => dur)) / 1000,
    cpu: Math.max(...tasks.map(({ tdur = 0 }) => tdur)) / 1000,
  };
}

function isTraceEvent(value: object): value is TraceEvent {
  return 'name' in value && 'pid' in value && 'tid' in value;
}
