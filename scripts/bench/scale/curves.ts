/** Cost of sampling and of DPO against k, the answers' length and the model's size, each point on a page of its own. */
import type { Page } from 'playwright';
import { withBenchPage } from '../browser.ts';
import type { Row } from '../row.ts';
import { CURVES, type Curve, type Measured, type Point } from './plan.ts';

export const curveRows = (name: string): Promise<Row[]> => {
  const curve = CURVES[name];
  if (!curve) throw new Error(`internal: no curve ${name}`);
  return withBenchPage('scripts/bench/scale/index.html', 'none', async (page) => {
    const list: { name: string; point: Point; measured: Measured }[] = [];
    for (const { name, point } of curve.points)
      list.push({ name, point, measured: await measured(page, point) });
    const [first] = list;
    if (!first) return [];
    const cost = costOf(curve);
    const base = cost(first.measured, first.point);
    return list.map(({ name, point, measured }): Row => {
      const { sampleSeconds, stepSeconds, heap, operationsAToken } = measured;
      const now = cost(measured, point);
      const relative = {
        sample: now.sample / base.sample,
        step: now.step / base.step,
        operations: operationsAToken / first.measured.operationsAToken,
      };
      return {
        name: `${name}: sampling ${point.samples} answers, DPO step of ${point.groups}`,
        value: `${ms(sampleSeconds)} ms, ${ms(stepSeconds)} ms`,
        peer: `a ${curve.unit}, of the first: ${relative.sample.toFixed(2)}, ${relative.step.toFixed(2)}; heap ${(heap / 1e6).toFixed(0)} MB`,
        facts: { ...measured, point, relative },
      };
    });
  });
};

const ms = (seconds: number): string => (1000 * seconds).toFixed(0);

const costOf = (curve: Curve) => (measured: Measured, point: Point) => {
  const { sample, step } = curve.units(measured, point);
  return { sample: measured.sampleSeconds / sample, step: measured.stepSeconds / step };
};

/** On a fresh page: WebAssembly's memory never shrinks. */
async function measured(page: Page, point: Point): Promise<Measured> {
  await page.reload();
  await page.waitForFunction(() => window.scaleBench !== undefined);
  return page.evaluate((given) => window.scaleBench(given), point);
}
