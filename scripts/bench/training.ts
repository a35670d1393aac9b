/** One page with a model of random weights, on which steps of training are timed. */
import type { Page } from 'playwright';
import type { ShapeName } from '../lib/shapes.ts';
import { withBenchPage } from './browser.ts';
import type { Prepared, StepPlan } from './training/plan.ts';

export interface TrainingPage {
  readonly page: Page;
  readonly threads: number;
  prepare(name: string, plan: StepPlan): Promise<Prepared>;
  step(name: string): Promise<void>;
}

export const withTrainingPage = <T>(shape: ShapeName, work: (page: TrainingPage) => Promise<T>): Promise<T> =>
  withBenchPage('scripts/bench/training/index.html', 'none', async (page) => {
    await page.waitForFunction(() => window.trainingBench !== undefined);
    const threads = await page.evaluate((name) => window.trainingBench.load(name), shape);
    return work({
      page,
      threads,
      prepare: (name, plan) =>
        page.evaluate(([n, p]) => window.trainingBench.prepare(n, p), [name, plan] as const),
      step: (name) => page.evaluate((n) => window.trainingBench.step(n), name),
    });
  });
