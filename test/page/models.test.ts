/** Models of a hub on the built page: found, fetched, used without a connection, deleted; and what does not fit. */
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BrowserContext, Page } from 'playwright';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type BuiltPage, openBuiltPage } from '../fixtures/built-page.ts';
import type { HubContents, HubFileContent } from '../fixtures/hub-contents.ts';
import { type HubServer, startHubServer } from '../fixtures/hub-server.ts';

/** Other work may fill the cores. */
const LONG = 300_000;
const WAIT = 90_000;
const PUBLIC = fileURLToPath(new URL('../../public/models/', import.meta.url));
const TINY = 'tiny/llama';

let built: BuiltPage;
let hub: HubServer;
let context: BrowserContext;
let page: Page;
let model: Record<string, HubFileContent>;
let embedder: Record<string, HubFileContent>;
const errors: string[] = [];

async function folder(name: string): Promise<Record<string, HubFileContent>> {
  const root = join(PUBLIC, name);
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const contents = await Promise.all(
    files.map(async (file) => [relative(root, file), { base64: (await readFile(file)).toString('base64') }]),
  );
  return Object.fromEntries(contents);
}

beforeAll(async () => {
  [built, hub, model, embedder] = await Promise.all([
    openBuiltPage(),
    startHubServer(),
    folder('default-lm'),
    folder('default-embedder'),
  ]);
  context = await built.profile();
  page = context.pages()[0] ?? (await context.newPage());
  page.on('pageerror', (error) => errors.push(error.message));
  await page.goto(`${built.origin}/#model`);
}, LONG);
afterAll(async () => {
  await built?.close();
  await hub?.close();
});

const button = (name: string | RegExp) => page.getByRole('button', { name, exact: true });

/** Opens the choice of models with a hub of its own as the mirror. */
async function useHub(name: string, contents: HubContents): Promise<void> {
  hub.setUp(name, contents);
  await page.goto(`${built.origin}/#model`);
  const open = page.getByRole('button', { name: 'Use another model' });
  await page.getByRole('heading', { name: 'Model', exact: true }).waitFor();
  if (await open.isVisible()) await open.click();
  await setMirror(hub.hub(name));
}

async function setMirror(address: string): Promise<void> {
  const field = page.getByRole('textbox', { name: 'Model hub' });
  if (!(await field.isVisible())) await page.getByText('Mirror and access token', { exact: true }).click();
  await field.fill(address);
  await field.press('Enter');
}

async function lookUp(id: string): Promise<void> {
  await page.getByRole('textbox', { name: /^Id of the/ }).fill(id);
  await button('Look it up').click();
}

const panel = (id: string) => page.getByRole('region', { name: `Model ${id}` });

async function shot(name: string): Promise<void> {
  if (process.env.SCREENSHOTS) await page.screenshot({ path: join(process.env.SCREENSHOTS, `${name}.png`) });
}

test(
  'a model by its id: what is fetched and whether it fits, progress, cancel, and it goes on from there',
  async () => {
    await useHub('resumed', {
      models: { [TINY]: model },
      // The other server falls silent in the middle of the weights, so that there is time to cancel.
      faults: [{ path: 'model.safetensors', stopAt: 700_000 }],
    });
    await lookUp(TINY);
    const found = panel(TINY);
    await found.getByText(/main, commit [0-9a-f]{8} · 127\.0\.0\.1/).waitFor();
    await found.getByText('To fetch').waitFor();
    await found
      .getByRole('region', { name: 'Memory' })
      .getByText(/^Fits: /)
      .waitFor({ timeout: WAIT });
    await shot('found');
    await found.getByRole('button', { name: /^Fetch 2\.0 MB and use it/ }).click();
    const bar = found.getByRole('progressbar');
    // A quarter: the small files come first, and the weights are to have begun.
    const percent = async () => Number(await bar.getAttribute('aria-valuenow'));
    await expect.poll(percent, { timeout: WAIT }).toBeGreaterThan(25);
    await found.getByText(/of 2\.0 MB/).waitFor();
    await shot('fetching');
    await found.getByRole('button', { name: 'Cancel' }).click();
    await found.getByText('The download was stopped').waitFor();
    await shot('stopped');
    await found.getByRole('button', { name: 'Go on with the download' }).waitFor();
    // As after closing the tab: what is there of it is listed, and looked up again where it came from.
    await page.reload();
    await button('Use another model').click();
    await page.getByRole('tab', { name: /On this device \(1\)/ }).click();
    await page.getByText(/[1-9]\d? % fetched/).waitFor();
    await button(`Go on with ${TINY}`).click();
    await found.getByRole('button', { name: /^Fetch the other 1\.\d MB and use it/ }).click();
    await page.getByRole('heading', { name: 'llama', exact: true }).waitFor({ timeout: WAIT });
    await page.getByText(new RegExp(`^${TINY}, commit [0-9a-f]{8}$`)).waitFor();
    const weights = hub.log('resumed').filter(({ path }) => path === 'model.safetensors');
    const sent = weights.filter(({ server }) => server === 'store');
    expect(sent.map(({ range }) => Number(/bytes=(\d+)/.exec(range ?? '')?.[1] ?? 0)).at(-1)).toBeGreaterThan(
      0,
    );
  },
  LONG,
);

test(
  'an embedder by its id, and a run to the end with both while the hub is gone',
  async () => {
    hub.setUp('run', { models: { 'tiny/embedder': embedder } });
    await page.getByRole('button', { name: /5\s*Filter/ }).click();
    await button('Use another embedder').click();
    await setMirror(hub.hub('run'));
    await lookUp('tiny/embedder');
    await page.getByRole('button', { name: /^Fetch 2\.9 MB and use it/ }).click();
    await page.getByRole('heading', { name: 'Compared by embedder' }).waitFor({ timeout: WAIT });

    // The hub answers nothing any more: one that was never set up.
    const asked = hub.log('run').length;
    hub.setUp('run', { models: {} });
    const chooser = page.waitForEvent('filechooser');
    await page.getByRole('button', { name: /2\s*Data/ }).click();
    await button('Use my prompts').click();
    await (await chooser).setFiles(await built.dataFile('small.jsonl', 0, 12));
    await page.getByRole('tab', { name: /12 (rows|for training)/ }).waitFor();
    await button('Run all').click();
    await page.getByText('The run is finished.').waitFor({ timeout: LONG });
    expect(hub.log('run')).toHaveLength(asked);
    await page.getByRole('button', { name: /1\s*Model/ }).click();
    await page.getByText('Self-check passed').waitFor();
    await shot('checked');

    await page.reload();
    await page.getByText('The run is finished.').waitFor();
    await page.getByRole('button', { name: /7\s*Result/ }).click();
    await page.getByLabel('Your message to the models').fill('What is the plural of box?');
    await button('Ask').click();
    await page.locator('.chat[aria-busy="false"]').waitFor({ timeout: WAIT });
    expect(await page.locator('.chat .reply .text').count()).toBe(3);
    expect(hub.log('run')).toHaveLength(asked);
  },
  2 * LONG,
);

test(
  'a gated model asks for a token, which is kept nowhere',
  async () => {
    const secret = 'hf_only_for_this_tab';
    await useHub('gated', { models: { [TINY]: model }, token: secret });
    await lookUp(TINY);
    const found = panel(TINY);
    const field = found.getByLabel('Access token');
    await field.waitFor();
    expect(await field.getAttribute('type')).toBe('password');
    await shot('gated');
    await field.fill('hf_another');
    await found.getByRole('button', { name: 'Use this token' }).click();
    await expect.poll(() => hub.log('gated').at(-1)?.authorization).toBe('Bearer hf_another');
    await field.fill(secret);
    await found.getByRole('button', { name: 'Use this token' }).click();
    await found.getByText(/commit [0-9a-f]{8}/).waitFor();
    expect(await everythingStored()).not.toContain(secret);
    expect(await page.content()).not.toContain(secret);
  },
  LONG,
);

/** Local storage and all records of the page's databases, as text. */
function everythingStored(): Promise<string> {
  return page.evaluate(async () => {
    const done = <T>(request: IDBRequest<T>) =>
      new Promise<T>((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
    const parts = [JSON.stringify(localStorage), JSON.stringify(sessionStorage)];
    for (const { name = '' } of await indexedDB.databases()) {
      const db = await done(indexedDB.open(name));
      for (const store of db.objectStoreNames) {
        const records: unknown[] = await done(db.transaction(store).objectStore(store).getAll());
        parts.push(JSON.stringify(records));
      }
      db.close();
    }
    return parts.join('\n');
  });
}

test(
  'an id that is not there, and a hub that does not answer: in words, with a way on',
  async () => {
    await useHub('empty', { models: {} });
    await lookUp('no-one/nothing');
    const missing = panel('no-one/nothing').getByRole('alert');
    await missing.getByText('Look at the spelling of the id and the revision.').waitFor({ timeout: WAIT });
    expect(await missing.innerText()).toContain('no-one/nothing');
    await shot('missing');

    await lookUp('no slash');
    await panel('no slash')
      .getByRole('alert')
      .getByText(/owner\/name/)
      .first()
      .waitFor();

    // Port 1 of this machine: nobody listens.
    await setMirror('http://127.0.0.1:1');
    await lookUp(TINY);
    const gone = panel(TINY).getByRole('alert');
    await gone
      .getByText(/Models that are stored on this device need no connection/)
      .waitFor({ timeout: WAIT });
    await setMirror(hub.hub('empty'));
    hub.setUp('empty', { models: { [TINY]: model } });
    await gone.getByRole('button', { name: 'Try again' }).click();
    await panel(TINY)
      .getByText(/commit [0-9a-f]{8}/)
      .waitFor({ timeout: WAIT });
  },
  LONG,
);

test(
  'what a hub says is shown as text',
  async () => {
    const config = JSON.parse(Buffer.from(base64Of('config.json'), 'base64').toString());
    const evil = '<img src=x onerror="window.hurt=1">\u202ellama';
    await useHub('hostile', {
      models: {
        [TINY]: {
          ...model,
          'config.json': { text: JSON.stringify({ ...config, model_type: evil, architectures: [evil] }) },
        },
      },
    });
    await lookUp(TINY);
    await panel(TINY)
      .getByText(/This page can’t run it/)
      .waitFor({ timeout: WAIT });
    expect(await panel(TINY).innerText()).toContain('\\u202e');
    expect(await page.evaluate(() => 'hurt' in window)).toBe(false);
    expect(
      await panel(TINY)
        .getByRole('button', { name: /^Fetch/ })
        .count(),
    ).toBe(0);
  },
  LONG,
);

test(
  'a model that does not fit: what stands in the way, and settings that fit at one press',
  async () => {
    const config = JSON.parse(Buffer.from(base64Of('config.json'), 'base64').toString());
    const large = {
      ...config,
      hidden_size: 2048,
      intermediate_size: 8192,
      num_hidden_layers: 16,
      num_attention_heads: 32,
      num_key_value_heads: 8,
      head_dim: 64,
      vocab_size: 128_256,
      max_position_embeddings: 8192,
    };
    await useHub('large', {
      models: { 'large/llama': { ...model, 'config.json': { text: JSON.stringify(large) } } },
    });
    await lookUp('large/llama');
    const memory = panel('large/llama').getByRole('region', { name: 'Memory' });
    await memory.getByText(/^Does not fit: /).waitFor({ timeout: WAIT });
    await memory.getByText(/WebAssembly's memory ends at 4\.3 GB/).waitFor();
    await shot('unfit');
    const suggestion = memory.getByRole('listitem').filter({ hasText: 'Keep the model as' });
    await suggestion.getByRole('button', { name: 'Use this' }).click();
    await memory.getByText(/^Fits: /).waitFor({ timeout: WAIT });
    await shot('fits');
    await button('Undo the changes').click();
    await memory.getByText(/^Does not fit: /).waitFor({ timeout: WAIT });
  },
  LONG,
);

function base64Of(path: string): string {
  const content = model[path];
  if (content === undefined || !('base64' in content)) throw new Error(`${path} is not in the folder`);
  return content.base64;
}

test(
  'stored models are listed with their size; a deleted one is gone, and the run that uses it says so',
  async () => {
    await page.goto(`${built.origin}/#model`);
    await page.reload();
    await button('Use another model').click();
    await page.getByRole('tab', { name: /On this device \(1\)/ }).click();
    const list = page.getByRole('list', { name: 'On this device' });
    const line = list.getByRole('listitem').filter({ hasText: TINY });
    expect(await line.innerText()).toMatch(/commit [0-9a-f]{8} · from 127\.0\.0\.1.*2\.0 MB/s);
    await line.getByText('in use').waitFor();
    await shot('stored');
    await line.getByRole('button', { name: `Check ${TINY}` }).click();
    await page.getByText('Checked: all its files are here and undamaged.').waitFor({ timeout: WAIT });
    await line.getByText('in use').waitFor();
    await shot('stored-checked');
    await panel(`${TINY}@`).getByRole('button', { name: 'Close', exact: true }).click();
    await line.getByRole('button', { name: `Delete ${TINY}` }).click();
    const dialog = page.getByRole('dialog');
    expect(await dialog.innerText()).toMatch(/2\.0 MB are freed\. 1 run uses it/);
    await dialog.getByRole('button', { name: 'Delete' }).click();
    await line.waitFor({ state: 'detached', timeout: WAIT });
    await button('Close').click();
    await page.getByText('It is not on this device, or not all of it.').waitFor();
    expect(errors).toEqual([]);
  },
  LONG,
);
