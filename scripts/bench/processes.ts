/** What the processes of a browser take, by /proc: a page and its workers are threads of one renderer process. */
import { readdirSync, readFileSync } from 'node:fs';

interface BrowserProcess {
  readonly pid: number;
  readonly parent: number;
  readonly line: string;
  /** Resident memory. */
  readonly bytes: number;
  readonly processorSeconds: number;
}

export interface ProcessUse {
  readonly peakMemory: number | null;
  readonly processorSeconds: number | null;
}

const EVERY_MS = 50;
/** Ticks of /proc/PID/stat a second: 100 on every Linux that Chromium runs on. */
const TICKS = 100;

/** Watches the browser that was started on `profile`, from now on. */
export function watchProcesses(profile: string): { stop(): ProcessUse } {
  if (process.platform !== 'linux') return { stop: () => ({ peakMemory: null, processorSeconds: null }) };
  const first = browserProcesses(profile);
  let peak = pageMemory(first);
  const timer = setInterval(() => {
    peak = Math.max(peak, pageMemory(browserProcesses(profile)));
  }, EVERY_MS);
  return {
    stop: () => {
      clearInterval(timer);
      const now = browserProcesses(profile);
      return { peakMemory: peak - pageMemory(first), processorSeconds: processor(now) - processor(first) };
    },
  };
}

export interface ProcessMemory {
  /** Bytes of the page with its workers. */
  readonly page: number;
  /** Bytes of the whole browser; memory that its processes share counts for each. */
  readonly browser: number;
}

/** What the browser on `profile` takes now; null where /proc is not. */
export function memoryNow(profile: string): ProcessMemory | null {
  if (process.platform !== 'linux') return null;
  const all = browserProcesses(profile);
  return { page: pageMemory(all), browser: all.reduce((sum, { bytes }) => sum + bytes, 0) };
}

const pageMemory = (list: readonly BrowserProcess[]): number =>
  list.filter(({ line }) => line.includes('--type=renderer')).reduce((sum, { bytes }) => sum + bytes, 0);

const processor = (list: readonly BrowserProcess[]): number =>
  list.reduce((sum, { processorSeconds }) => sum + processorSeconds, 0);

/** The process that names the profile, and all below it. */
function browserProcesses(profile: string): BrowserProcess[] {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => readProcess(Number(pid)) ?? []);
  const family = new Set(all.filter(({ line }) => line.includes(profile)).map(({ pid }) => pid));
  for (let size = -1; size !== family.size; ) {
    size = family.size;
    for (const { pid, parent } of all) if (family.has(parent)) family.add(pid);
  }
  return all.filter(({ pid }) => family.has(pid));
}

function readProcess(pid: number): BrowserProcess | null {
  try {
    const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const field = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0);
    // Behind the name in brackets, which may hold spaces: state, parent, ..., utime and stime as 12th and 13th.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    const ticks = Number(stat[11]) + Number(stat[12]);
    return {
      pid,
      parent: field('PPid'),
      line,
      bytes: field('VmRSS') * 1024,
      processorSeconds: ticks / TICKS,
    };
  } catch {
    return null; // ended meanwhile
  }
}
