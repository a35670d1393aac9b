/** What checkpoints cost: their share of SFT's and DPO's time, on the default model in a real browser's IndexedDB. */

import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Report } from '../../src/pipeline/types.ts';

/** Real batches of the default settings; less sampling, which is not what is measured. */
const SETTINGS = [
  'data.limit=160',
  'data.heldOut=3',
  'sample.n=8',
  'dpo.negatives=4',
  'filter.percent=100',
  'evaluate.samples=1',
];

export async function checkpointRow(): Promise<{ name: string; value: string; peer: string }> {
  const out = await mkdtemp(join(tmpdir(), 'self-contrast-checkpoint-'));
  try {
    const set = SETTINGS.flatMap((setting) => ['--set', setting]);
    const command = ['run', '-s', 'selfcontrast', '--', '--backend', 'wasm', ...set, '--out', out];
    const { status } = spawnSync('npm', command, { stdio: 'inherit' });
    if (status !== 0) return { name: NAME, value: `failed (${status})`, peer: LIMIT };
    const report: Report = JSON.parse(await readFile(join(out, 'report.json'), 'utf8'));
    const share = (stage: 'sft' | 'dpo'): string => {
      const figures = report.stages[stage];
      const seconds = figures?.seconds ?? 0;
      const percent = (100 * Number(figures?.checkpointSeconds)) / Math.max(1e-9, seconds);
      return `${percent.toFixed(2)} % of ${Number(figures?.steps)} steps in ${seconds.toFixed(0)} s`;
    };
    return { name: NAME, value: `SFT ${share('sft')}, DPO ${share('dpo')}`, peer: LIMIT };
  } finally {
    await rm(out, { recursive: true, force: true, maxRetries: 5 });
  }
}

const NAME = 'checkpoints, share of training time';
const LIMIT = 'under 3 %';
