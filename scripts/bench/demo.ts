/**
 * `npm run bench -- --only demo`: the whole demo by the clock, and its work beside the same work done plainly (see
 * demo/page.ts). A part of the prompts is measured on each side, in one page, and scaled up to all of them.
 */
import { spawnSync } from 'node:child_process';
import { withBenchPage } from './browser.ts';
import type { DemoFigures, DemoPlan } from './demo/plan.ts';
import type { BenchOptions, Row } from './row.ts';

const PLAN: DemoPlan = { prompts: 64, heldOut: 16, plainPrompts: 4, plainHeldOut: 1 };

/** @param words `plain` leaves out the whole demo */
export async function demoRows({ words }: BenchOptions): Promise<Row[]> {
  const compared = await comparedRow();
  return words.includes('plain') ? [compared] : [wholeRow(), compared];
}

function wholeRow(): Row {
  const start = performance.now();
  const { status } = spawnSync('npm', ['run', '-s', 'demo'], { stdio: 'inherit' });
  const time = (performance.now() - start) / 1000;
  return {
    name: 'npm run demo, wall time',
    value: status === 0 ? `${time.toFixed(0)} s` : `failed (${status})`,
    peer: 'at most 300 s',
    facts: { seconds: time, status },
  };
}

const comparedRow = (): Promise<Row> =>
  withBenchPage('scripts/bench/demo/index.html', 'none', async (page) => {
    await page.waitForFunction(() => window.demoBench !== undefined);
    return rowOf(await page.evaluate((plan) => window.demoBench(plan), PLAN));
  });

function rowOf(figures: DemoFigures): Row {
  const { stages, prompts, heldOut } = figures;
  const whole = stages.map(({ stage, ours, plain }) => {
    const times = stage === 'evaluate' ? heldOut : prompts;
    return { stage, ours: ours * times, plain: plain * times, ratio: plain / ours };
  });
  const total = (side: 'ours' | 'plain') => whole.reduce((all, stage) => all + stage[side], 0);
  const ratios = whole.map(({ stage, ratio }) => `${stage} ${ratio.toFixed(1)}x`).join(', ');
  return {
    name: "the demo's work, all stages",
    value: `${total('ours').toFixed(0)} s (${ratios})`,
    peer: `row by row, pairs apart: ${total('plain').toFixed(0)} s, from ${PLAN.plainPrompts} of ${prompts} prompts`,
    ratio: total('plain') / total('ours'),
    facts: { ...figures, plan: PLAN, whole },
  };
}
