/** The lab on the built page: a small one from the form to its report, stopped by a reload on the way. */
import type { BrowserContext, Page } from 'playwright';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { LabManifest } from '../../src/lab/types.ts';
import { type BuiltPage, downloaded, openBuiltPage } from '../fixtures/built-page.ts';

const LONG = 240_000;

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
}, 180_000);
afterAll(() => built?.close());

/** The one stored lab. */
const manifest = (): Promise<LabManifest> =>
  page.evaluate(
    () =>
      new Promise<LabManifest>((resolve, reject) => {
        const open = indexedDB.open('self-contrast');
        open.onerror = () => reject(open.error);
        open.onsuccess = () => {
          const all = open.result.transaction('labs').objectStore('labs').getAll();
          all.onsuccess = () => {
            open.result.close();
            resolve(all.result[0]);
          };
        };
      }),
  );
const pieces = async () => Object.values((await manifest()).pieces);

const openTab = (name: string) => page.getByRole('tab', { name, exact: true }).click();
const status = () => page.locator('.lab-page .run-state').first().innerText();

test(
  'a grid of one’s own: what is wrong is told at once, the cost is told before the start',
  async () => {
    const chooser = page.waitForEvent('filechooser');
    await page.getByRole('button', { name: 'Use my prompts' }).click();
    await (await chooser).setFiles(await built.dataFile('mine.jsonl', 0, 14));
    await page
      .getByText(/14 rows/)
      .first()
      .waitFor();
    // An edit that is not stored with the run goes into the lab.
    await page.getByLabel('Held out', { exact: true }).fill('5');
    await page.keyboard.press('Enter');

    await page.getByRole('button', { name: 'Lab', exact: true }).click();
    await page.getByRole('heading', { name: 'New lab' }).waitFor();
    await page.getByRole('checkbox', { name: /Number of negatives/ }).uncheck();
    await page.getByText('Choose a question, or set up a grid').waitFor();
    await page.getByLabel('Try several values of').selectOption('dpo.beta');
    const values = page.getByLabel(/dpo.beta/);
    await values.fill('0.05, much');
    await page
      .getByRole('alert')
      .getByText(/dpo.beta/)
      .waitFor();
    await expect.poll(() => page.getByRole('button', { name: 'Make the lab' }).isDisabled()).toBe(true);
    await values.fill('0.05, 0.5');
    await page.getByLabel('Seeds').fill('1');
    await page.getByLabel('Set aside for a last look').fill('40');
    await page.getByLabel('Name', { exact: true }).fill('Two <b>betas</b>');
    const reward = page.getByRole('region', { name: 'Reward model' });
    await reward.getByRole('button', { name: 'Choose a reward model' }).click();
    await reward.getByRole('tab', { name: /^On this device/ }).click();
    await reward.getByRole('button', { name: 'Use Example reward model' }).click();
    await reward.getByRole('heading', { name: 'Scored by the example reward model' }).waitFor();
    await page.getByText('3 arms × 1 seed.').waitFor();
    await page.getByRole('button', { name: 'Make the lab' }).click();

    const cost = page.getByRole('region', { name: 'What it costs' });
    await page.getByRole('heading', { name: 'Two <b>betas</b>' }).waitFor();
    await expect.poll(() => cost.innerText(), { timeout: 60_000 }).toMatch(/about [\d]+ (s|min)/);
    await cost.getByRole('button', { name: 'Change the plans' }).click();
    // The form has kept everything.
    await expect.poll(() => page.getByLabel(/dpo.beta/).inputValue()).toBe('0.05, 0.5');
    await page.getByRole('button', { name: 'Make the lab' }).click();
    await cost.waitFor();
  },
  LONG,
);

test(
  'it works arm by arm; a reload half-way loses nothing that is finished',
  async () => {
    await page.getByRole('button', { name: 'Start', exact: true }).click();
    await page.getByText('A lab is at work').waitFor();
    await expect.poll(status).toBe('at work');
    await expect.poll(() => page.title()).toMatch(/^\d+ % · Two <b>betas<\/b>/);
    await expect
      .poll(async () => (await pieces()).some(({ kind, state }) => kind === 'policy' && state === 'done'), {
        timeout: LONG,
      })
      .toBe(true);
    const before = (await pieces()).filter(({ state }) => state === 'done');
    await page.reload();
    await page.getByRole('button', { name: 'Resume' }).last().waitFor({ timeout: 60_000 });
    await expect.poll(status).toBe('stopped half-way');
    await page.locator('.lab-page').getByRole('button', { name: 'Resume' }).click();
    await page.getByRole('tab', { name: 'Results', selected: true }).waitFor({ timeout: LONG });
    await expect.poll(status).toBe('finished');
    const after = new Map((await pieces()).map((piece) => [piece.key, piece]));
    for (const piece of before) expect(after.get(piece.key)).toEqual(piece);
    const table = page.getByRole('region', { name: 'The arms' });
    for (const name of ['SFT', 'dpo.beta = 0.05', 'dpo.beta = 0.5'])
      await table.getByText(name, { exact: true }).first().waitFor();
    await openTab('Why');
    await page.getByRole('region', { name: 'Signs of failure' }).waitFor();
    await openTab('Arms');
    await expect.poll(() => page.locator('.arm-states tbody tr').count()).toBe(3);
    await expect.poll(() => page.locator('.arm-states').getByLabel('done').count()).toBe(3);
    expect((await manifest()).config.data.heldOut).toBe(5);
    expect(await manifest()).toMatchObject({ rewardModel: 'default', reward: { name: 'default-reward' } });
    const scored = (await pieces()).filter(({ kind }) => kind === 'reward');
    expect(scored.map(({ state }) => state)).toEqual(['done', 'done', 'done']);
  },
  2 * LONG,
);

test(
  'blind A/B by keyboard: every choice is stored, can be taken back, and tells nothing before it is asked',
  async () => {
    await openTab('Judge');
    await page.getByLabel('Another arm').selectOption('grid-2');
    await page.getByRole('button', { name: 'Begin' }).click();
    const blind = page.getByRole('region', { name: 'Blind comparison' });
    const judged = () => blind.locator('header .small').innerText();
    await expect.poll(judged).toMatch(/^0 of [1-9]/);
    const first = await blind.locator('.blind-prompt').innerText();
    for (const [key, count] of [
      ['ArrowLeft', 1],
      ['ArrowDown', 2],
      ['ArrowRight', 3],
      ['u', 2],
    ] as const) {
      await page.keyboard.press(key);
      await expect.poll(judged).toMatch(new RegExp(`^${count} of`));
    }
    expect(await blind.innerText()).not.toMatch(/beta|SFT|grid/);

    // Elsewhere and back: it goes on where it stopped.
    await page.reload();
    await openTab('Judge');
    await page.getByLabel('Another arm').selectOption('grid-2');
    await page.getByRole('button', { name: 'Begin' }).click();
    await expect.poll(judged).toMatch(/^2 of/);
    // One after the other: a key that comes before the last one is stored does not count.
    await page.keyboard.press('u');
    await expect.poll(judged).toMatch(/^1 of/);
    await page.keyboard.press('u');
    await expect.poll(judged).toMatch(/^0 of/);
    expect(await blind.locator('.blind-prompt').innerText()).toBe(first);
    await page.keyboard.press('ArrowLeft');
    await expect.poll(judged).toMatch(/^1 of/);
    await blind.getByRole('button', { name: 'Reveal the result' }).click();
    await expect
      .poll(() => blind.getByRole('status').innerText())
      .toMatch(/wins .* % against .*95 % interval .* to .*: .* of \d+/);
    await blind.getByRole('button', { name: 'Stop here' }).click();
  },
  LONG,
);

test(
  'a judge elsewhere: questions without arms, verdicts row by row',
  async () => {
    const file = await downloaded(page, () => page.getByRole('button', { name: 'Questions' }).click());
    const lines = file.toString('utf8').trim().split('\n');
    const [one] = lines.map((line) => JSON.parse(line));
    expect(Object.keys(one)).toEqual(['id', 'prompt', 'a', 'b']);
    expect(file.toString('utf8')).not.toMatch(/grid|sft/);
    const rows = [
      { id: one.id, verdict: 'a' },
      { id: one.id, verdict: 'b' },
      { id: 'who', verdict: 'a' },
    ];
    const chooser = page.waitForEvent('filechooser');
    await page.getByRole('button', { name: 'Import verdicts' }).click();
    await (await chooser).setFiles({
      name: 'judge.jsonl',
      mimeType: 'application/x-ndjson',
      buffer: Buffer.from(rows.map((row) => JSON.stringify(row)).join('\n')),
    });
    await page.getByText('judge.jsonl: 1 verdict stored, 2 refused.').waitFor();
    await page.getByText(/line 3: unknown id/).waitFor();
    await openTab('Results');
    await page.getByRole('region', { name: 'Judged side by side' }).getByText('judge.jsonl').waitFor();
  },
  LONG,
);

test(
  'an answer marked as good is no negative any more, and only what depends on it is done again',
  async () => {
    await openTab('Why');
    const marks = page.getByRole('region', { name: 'False negatives by hand' });
    const before = await pieces();
    await marks.getByRole('checkbox').first().check();
    await marks.getByText('1 answer marked').waitFor();
    await marks.getByRole('button', { name: 'Run again from here' }).click();
    await page.getByText('A lab is at work').waitFor();
    await page.getByRole('tab', { name: 'Results', selected: true }).waitFor({ timeout: LONG });
    await expect.poll(status).toBe('finished');
    const after = new Map((await pieces()).map((piece) => [piece.key, piece]));
    const kept = before.filter(({ key, seconds }) => after.get(key)?.seconds === seconds);
    expect(kept.some(({ kind }) => kind === 'answers')).toBe(true);
    expect([...after.keys()].some((key) => !before.some((piece) => piece.key === key))).toBe(true);
  },
  LONG,
);

test(
  'the prompts that were set aside are looked at once, after a warning, and it is noted when',
  async () => {
    await openTab('Arms');
    const look = page.getByRole('region', { name: 'The last look' });
    await look.getByText('2 prompts set aside').waitFor();
    await look.getByRole('button', { name: 'Look at the final split' }).click();
    await page.getByRole('dialog').getByText('This can be done once').waitFor();
    await page.getByRole('button', { name: 'Look now' }).click();
    await page.getByText('These are the prompts that were set aside.').waitFor({ timeout: LONG });
    expect((await manifest()).looks).toHaveLength(1);
    await page.getByRole('button', { name: 'Show the working ones again' }).click();
    await openTab('Arms');
    await look.getByText('Looked at once').waitFor();
    expect(await look.getByRole('button', { name: 'Look at the final split' }).count()).toBe(0);
  },
  LONG,
);

test(
  'the report is one file that opens without a network; the lab is listed, named and deleted',
  async () => {
    await page.getByRole('button', { name: 'Report: download or print' }).click();
    const html = await downloaded(page, () => page.getByRole('button', { name: /Web page/ }).click());
    const alone = await context.newPage();
    await alone.route('**/*', (route) => route.abort());
    await alone.setContent(html.toString('utf8'));
    await alone.getByRole('heading', { name: 'Two <b>betas</b>' }).waitFor();
    await expect.poll(() => alone.locator('svg[role="img"]').count()).toBeGreaterThan(0);
    await alone.close();

    await page.getByRole('button', { name: 'All labs' }).click();
    const row = page.locator('.lab-table tbody tr');
    await expect
      .poll(() => row.innerText())
      .toMatch(/Two <b>betas<\/b>[\s\S]*finished[\s\S]*Grid[\s\S]*(kB|MB)/);
    await page.getByRole('button', { name: 'Actions for Two <b>betas</b>' }).click();
    await page.getByRole('button', { name: 'Name', exact: true }).click();
    await page.getByLabel('Name', { exact: true }).fill('Betas');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByRole('button', { name: 'Actions for Betas' }).click();
    await page.getByRole('button', { name: 'Delete', exact: true }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('heading', { name: 'New lab' }).waitFor();
    expect(errors).toEqual([]);
  },
  LONG,
);
