/** Embedding while sampling goes on, in its own worker, against embedding afterwards. */
import { withBenchPage } from './browser.ts';
import type {} from './overlap/page.ts';
import type { Row } from './row.ts';

export function overlapRows(): Promise<Row[]> {
  return withBenchPage('scripts/bench/overlap/index.html', 'none', async (page) => {
    await page.waitForFunction(() => window.overlapBench !== undefined);
    const facts = await page.evaluate(() => window.overlapBench(64, 2));
    const seconds = (time: number) => `${time.toFixed(2)} s`;
    return [
      {
        name: `sampling and filtering ${facts.answers} answers, side by side`,
        value: `${seconds(facts.beside)}, filter ${seconds(facts.filterBeside)}`,
        peer: `one after the other: ${seconds(facts.after)}, filter ${seconds(facts.filterAfter)}`,
        ratio: facts.ratio,
        facts: { ...facts },
      },
    ];
  });
}
