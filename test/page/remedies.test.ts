/** What the built page offers when a run has stopped for a reason that one setting removes. */
import { join } from 'node:path';
import type { BrowserContext, Page } from 'playwright';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type BuiltPage, openBuiltPage } from '../fixtures/built-page.ts';

const LONG = 300_000;

let built: BuiltPage;
let context: BrowserContext;
let page: Page;
const errors: string[] = [];

beforeAll(async () => {
  built = await openBuiltPage();
  context = await built.profile();
  page = context.pages()[0] ?? (await context.newPage());
  page.on('pageerror', (error) => errors.push(error.message));
  await page.goto(built.origin);
}, LONG);
afterAll(() => built?.close());

async function set(label: string, value: string): Promise<void> {
  const field = page.getByLabel(label, { exact: true });
  await field.fill(value);
  await field.press('Enter');
}

/** Step and learning rate of every step of SFT that is stored. */
const rates = (): Promise<(readonly [number, number | undefined])[]> =>
  page.evaluate(
    () =>
      new Promise((resolve, reject) => {
        const open = indexedDB.open('self-contrast');
        open.onerror = () => reject(open.error);
        open.onsuccess = () => {
          const all = open.result.transaction('metrics').objectStore('metrics').getAll();
          all.onerror = () => reject(all.error);
          all.onsuccess = () => {
            open.result.close();
            const sft = all.result.filter((each) => each.stage === 'sft');
            resolve(sft.map(({ step, values }) => [step, values.learningRate] as const));
          };
        };
      }),
  );

test(
  'training that diverges says why, and goes on from its last good step with a lower rate',
  async () => {
    const chooser = page.waitForEvent('filechooser');
    await page.getByRole('button', { name: 'Use my prompts' }).click();
    await (await chooser).setFiles(await built.dataFile('small.jsonl', 0, 12));
    await page.getByRole('tab', { name: '12 rows' }).waitFor();
    await page.getByRole('button', { name: /3\s*SFT/ }).click();
    await set('SFT epochs', '30');
    await set('SFT learning rate', '1');
    await page.getByText('More', { exact: true }).click();
    await page.getByLabel('SFT schedule').selectOption('constant');
    await set('SFT warm-up', '0');
    // Weight decay times the rate is 10: every step multiplies the adapter by -9, until it overflows.
    await set('SFT weight decay', '10');
    await page.getByRole('button', { name: 'Run up to here' }).click();

    const alert = page.getByRole('alert');
    await alert.getByRole('heading', { name: /^SFT stopped: step \d+/ }).waitFor({ timeout: LONG });
    expect(await alert.innerText()).toMatch(/The state after step \d+.*is stored/s);
    expect(await alert.innerText()).toMatch(/learning rate is too high/);
    if (process.env.SCREENSHOTS)
      await page.screenshot({ path: join(process.env.SCREENSHOTS, 'diverged.png') });
    await alert.getByRole('button', { name: 'Lower the learning rate and resume' }).click();
    await page.getByRole('progressbar', { name: 'Sample' }).waitFor({ timeout: LONG });
    await page.getByRole('button', { name: 'Stop' }).click();
    await page.getByRole('button', { name: 'Resume' }).waitFor({ timeout: LONG });
    await page.getByRole('button', { name: /3\s*SFT/ }).click();
    expect(await page.getByLabel('SFT learning rate', { exact: true }).inputValue()).toBe('0.1');
    const steps = await rates();
    expect(steps.map(([step]) => step)).toEqual(Array.from({ length: 30 }, (_, at) => at + 1));
    expect(steps[0]?.[1]).toBe(1);
    expect(steps.at(-1)?.[1]).toBe(0.1);
    expect(errors).toEqual([]);
  },
  2 * LONG,
);
