/** A browser on a profile of its own that can be killed as a power cut would: whole, at once, unasked. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Browser, chromium, type Page } from 'playwright';

/** How long a browser may take to listen, in milliseconds; other work may fill the cores. */
const START_PATIENCE = 60_000;

export interface KillableBrowser {
  readonly page: Page;
  /** SIGKILL to every process of the browser; resolves when none is left. */
  kill(): Promise<void>;
}

/** Starts a browser with its processes in a group of their own. */
export async function startBrowser(
  executable: string,
  profile: string,
  flags: readonly string[],
): Promise<KillableBrowser> {
  const portFile = join(profile, 'DevToolsActivePort');
  await rm(portFile, { force: true }); // of a killed predecessor
  const child = spawn(
    executable,
    [...flags, '--headless=new', '--remote-debugging-port=0', `--user-data-dir=${profile}`, 'about:blank'],
    // A group of its own: one signal reaches the browser with all its children.
    { detached: true, stdio: 'ignore' },
  );
  const browser = await connect(child, portFile);
  const context = browser.contexts()[0];
  if (!context) throw new Error('internal: the browser has no context');
  const page = context.pages()[0] ?? (await context.newPage());
  return {
    page,
    kill: async () => {
      if (child.pid !== undefined) killGroup(child.pid);
      await gone(profile);
      await browser.close().catch(() => undefined);
    },
  };
}

async function connect(child: ChildProcess, portFile: string): Promise<Browser> {
  const until = Date.now() + START_PATIENCE;
  while (Date.now() < until) {
    if (child.exitCode !== null) throw new Error(`the browser ended at once (${child.exitCode})`);
    const [port] = existsSync(portFile) ? readFileSync(portFile, 'utf8').split('\n') : [];
    if (port) return chromium.connectOverCDP(`http://127.0.0.1:${port}`);
    await sleep(20);
  }
  throw new Error('the browser did not start to listen');
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

/** Waits until no process has the profile on its command line; kills what left the group. */
async function gone(profile: string): Promise<void> {
  for (let i = 0; i < 200; i++) {
    const left = processesOf(profile);
    if (left.length === 0) return;
    if (i >= 10) for (const pid of left) killOne(pid);
    await sleep(20);
  }
  throw new Error(`processes of the browser on ${profile} could not be killed`);
}

function killOne(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it ended by itself
  }
}

/** Linux only; elsewhere the group's signal is trusted. */
function processesOf(profile: string): number[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`--user-data-dir=${profile}`);
      } catch {
        return false;
      }
    })
    .map(Number);
}
