/**
 * `npm run test:crash`: the browser is killed (SIGKILL, all its processes) at random moments of a run, reopened on
 * the same profile, and resumed, until the run has ended. Every file of every such run must have the bytes of an
 * uninterrupted one (of report.json and run.json all but what src/pipeline/repeatable.ts names).
 *
 *   npm run test:crash -- [--kills 40] [--seed 1]
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { STAGES } from '../src/pipeline/types.ts';
import { killsOfRun } from './crash/plan.ts';
import { CONFIG, crashRun, differences, type Ended, type Setting } from './crash/run.ts';
import { freshDist } from './headless/build.ts';
import { loadDataset } from './headless/data.ts';
import { startServer } from './headless/server.ts';
import { setup } from './setup.ts';

const DATA = fileURLToPath(new URL('../public/datasets/word-helper/train.jsonl', import.meta.url));

export interface CrashResult {
  readonly runs: number;
  readonly killedIn: readonly string[];
  /** Files compared, over all runs. */
  readonly comparisons: number;
  /** `run 2: pairs.jsonl` */
  readonly different: readonly string[];
}

/** Runs until at least `kills` kills have met a run. */
export async function crashTest(
  kills: number,
  seed: number,
  log: (line: string) => void = () => {},
): Promise<CrashResult> {
  const scratch = await mkdtemp(join(tmpdir(), 'self-contrast-crash-'));
  const server = await startServer(await freshDist(log));
  try {
    const file = join(scratch, 'dataset.json');
    const { dataset: rows } = await loadDataset(DATA, CONFIG);
    await writeFile(file, JSON.stringify(rows));
    const dataset = server.offer({ kind: 'file', name: 'dataset.json', path: file });
    const job = { config: CONFIG, name: 'crash', dataset, check: false, extras: null };
    const setting: Setting = { browser: setup(), server, job };
    const whole = await crashRun(setting, join(scratch, 'whole'), [], {});
    log(`uninterrupted: ${secondsText(whole.seconds)}, ${whole.files.size} files`);
    const killedIn: string[] = [];
    const different: string[] = [];
    let runs = 0;
    for (; killedIn.length < kills; runs++) {
      const planned = killsOfRun(seed, runs).slice(0, kills - killedIn.length);
      if (planned.length === 0) continue;
      const run = await crashRun(setting, join(scratch, `run-${runs}`), planned, whole.seconds);
      const wrong = differences(whole.files, run.files);
      killedIn.push(...run.killedIn);
      different.push(...wrong.map((path) => `run ${runs}: ${path}`));
      log(
        `run ${runs}: killed in ${run.killedIn.join(', ')}; ${wrong.length === 0 ? 'the same bytes' : `DIFFERENT: ${wrong.join(', ')}`}`,
      );
      await rm(join(scratch, `run-${runs}`), { recursive: true, force: true, maxRetries: 5 });
    }
    return { runs, killedIn, comparisons: runs * whole.files.size, different };
  } finally {
    await server.close();
    await rm(scratch, { recursive: true, force: true, maxRetries: 5 });
  }
}

const secondsText = (seconds: Ended['seconds']): string =>
  Object.entries(seconds)
    .map(([stage, x]) => `${stage} ${x.toFixed(1)} s`)
    .join(', ');

function table({ runs, killedIn, comparisons, different }: CrashResult): string {
  const rows = STAGES.map((stage) => `${stage.padEnd(10)} ${killedIn.filter((s) => s === stage).length}`);
  return [
    'killed in  times',
    ...rows,
    `${killedIn.length} kills in ${runs} runs, ${comparisons} files compared, ${different.length} different`,
    ...different,
  ].join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: { kills: { type: 'string', default: '40' }, seed: { type: 'string', default: '1' } },
  });
  const result = await crashTest(Number(values.kills), Number(values.seed), console.log);
  console.log(table(result));
  process.exit(result.different.length === 0 ? 0 : 1);
}
