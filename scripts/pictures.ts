/**
 * `npx tsx scripts/pictures.ts`: the pictures of the README, taken from the built page: docs/page.png (the example
 * aligned), model.png (the choice of a model), import.png (a file of unknown columns), resume.png (after the
 * browser was ended in the middle of a stage), exports.png (the formats), runs.png (the list of runs), lab.png (what a
 * plan has come to) and lab-ab.png (two arms judged blind). `npx tsx scripts/pictures.ts lab` takes the last two alone.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BrowserContext, chromium, type Page } from 'playwright';
import { chromiumFlags } from './chromium.ts';
import { freshDist } from './headless/build.ts';
import { startServer } from './headless/server.ts';
import { setup } from './setup.ts';

const DOCS = fileURLToPath(new URL('../docs/', import.meta.url));
const LONG = 900_000;

/** A file whose columns have names of their own: the page asks which is which. */
const COLUMNS = `ticket,customer wrote,we answered,bot answered
1,Where is my parcel?,"It left our store on Monday, so it should reach you by Thursday.",I am a bot.
2,Can I change the colour?,Yes. Open your order and choose another colour before it is packed.,Colours are nice.
3,Do you ship to islands?,We do. It takes two days more.,Islands are surrounded by water.
`;

const scratch = await mkdtemp(join(tmpdir(), 'self-contrast-pictures-'));
const server = await startServer(await freshDist((line) => console.log(line)));
let context: BrowserContext | undefined;

async function open(hash = ''): Promise<Page> {
  context = await chromium.launchPersistentContext(join(scratch, 'profile'), {
    executablePath: setup(),
    headless: true,
    args: chromiumFlags('none'),
    viewport: { width: 1280, height: 720 },
    colorScheme: 'light',
  });
  const page = context.pages()[0] ?? (await context.newPage());
  await page.goto(`${server.origin}/${hash}`);
  return page;
}

async function picture(page: Page, name: string): Promise<void> {
  await page.mouse.move(640, 715);
  await page.waitForTimeout(600);
  await page.screenshot({ path: join(DOCS, `${name}.png`) });
  console.log(`docs/${name}.png`);
}

/** The plan about the number of negatives, on the embedded data. */
async function labPictures(): Promise<void> {
  const page = await open('#lab');
  await page.getByRole('heading', { name: 'New lab' }).waitFor({ timeout: LONG });
  await page.getByText('6 arms × 3 seeds').waitFor({ timeout: LONG });
  await page.getByRole('button', { name: 'Make the lab' }).click();
  await page.getByRole('button', { name: 'Start', exact: true }).click({ timeout: LONG });
  await page.getByRole('tab', { name: 'Results', selected: true }).waitFor({ timeout: 6 * LONG });
  await page.getByRole('heading', { name: 'Claim by claim' }).waitFor({ timeout: LONG });
  await page.setViewportSize({ width: 1280, height: 1500 });
  await picture(page, 'lab');
  await page.setViewportSize({ width: 1280, height: 720 });
  await page.getByRole('tab', { name: 'Judge' }).click();
  await page.getByRole('button', { name: 'Begin' }).click({ timeout: LONG });
  for (const key of ['ArrowLeft', 'ArrowRight', 'ArrowLeft']) {
    await page.keyboard.press(key);
    await page.waitForTimeout(400);
  }
  await picture(page, 'lab-ab');
}

async function runPictures(): Promise<void> {
  let page = await open('#model');
  await page.getByRole('button', { name: 'Use another model' }).click();
  await page.getByText('Fits').first().waitFor({ timeout: LONG });
  await picture(page, 'model');
  await page.goto(`${server.origin}/`);
  await page.getByRole('button', { name: 'Align the example model' }).click();
  // Half of the answers are in when the browser is ended, as if the power had failed.
  await page
    .getByText(/[\d,]+ \/ 16,000/)
    .first()
    .waitFor({ timeout: LONG });
  await page
    .getByText(/(6|7|8),\d{3} \/ 16,000/)
    .first()
    .waitFor({ timeout: LONG });
  await context?.close();

  page = await open();
  const resume = page.getByRole('button', { name: 'Resume' }).first();
  await resume.waitFor({ timeout: LONG });
  await page.getByRole('button', { name: /4\s*Sample/ }).click();
  await picture(page, 'resume');
  await resume.click();
  await page.getByText('The run is finished.').waitFor({ timeout: LONG });
  await page.getByRole('button', { name: /7\s*Result/ }).click();
  await picture(page, 'page');

  await page.getByRole('button', { name: 'Other formats' }).first().click();
  await picture(page, 'exports');
  await page.keyboard.press('Escape');

  await page.goto(`${server.origin}/#runs`);
  await page.getByRole('heading', { name: 'Runs' }).waitFor();
  await picture(page, 'runs');

  await page.getByRole('button', { name: /Open the run menu/ }).click();
  await page.getByRole('button', { name: 'New run', exact: true }).click();
  const chooser = page.waitForEvent('filechooser');
  await page.getByRole('button', { name: 'Use my prompts' }).click();
  await (await chooser).setFiles({
    name: 'support.csv',
    mimeType: 'text/csv',
    buffer: Buffer.from(COLUMNS),
  });
  await page.getByText('The first 3 rows, read so').waitFor({ timeout: 60_000 });
  await picture(page, 'import');
  await context?.close();
}

try {
  if (process.argv[2] !== 'lab') await runPictures();
  await labPictures();
} finally {
  await context?.close();
  await server.close();
  await rm(scratch, { recursive: true, force: true, maxRetries: 5 });
}
