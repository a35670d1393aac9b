/**
 * The built site keeps to itself: its policy, and every request of whole runs, on the page and without one. What the
 * browser asks for by itself (updates, sign-in) is not the page's doing; the headless runner stops that, too.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BrowserContext, chromium, type Page } from 'playwright';
import { preview } from 'vite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumFlags, onlyHosts } from '../../scripts/chromium.ts';
import { freshDist } from '../../scripts/headless/build.ts';
import { type LocalServer, startServer } from '../../scripts/headless/server.ts';
import { contentSecurityPolicy, siteHeaders } from '../../scripts/lib/headers.ts';
import { setup } from '../../scripts/setup.ts';
import { DEFAULT_CONFIG } from '../../src/pipeline/config.ts';
import { makeDataset } from '../../src/pipeline/dataset.ts';
import type { HubFileContent } from '../fixtures/hub-contents.ts';
import { type HubServer, startHubServer } from '../fixtures/hub-server.ts';
import { readNetLog } from '../fixtures/net-log.ts';
import { type ReportingProxy, startReportingProxy } from '../fixtures/reporting-proxy.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DATA = join(ROOT, 'public/datasets/word-helper/train.jsonl');

let scratch: string;
let dist: string;
let server: LocalServer;
let hub: HubServer;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'self-contrast-security-'));
  dist = await freshDist(() => {});
  server = await startServer(dist);
  hub = await startHubServer();
}, 240_000);
afterAll(async () => {
  await server?.close();
  await hub?.close();
  await rm(scratch, { recursive: true, force: true, maxRetries: 5 });
});

/** A file of the data set's first rows, and a bad one to be seen. */
async function fewRows(count: number): Promise<string> {
  const file = join(scratch, `rows-${count}.jsonl`);
  const rows = (await readFile(DATA, 'utf8')).split('\n').slice(0, count);
  await writeFile(file, [...rows, '{"prompt": "no target", "target": 1}'].join('\n'));
  return file;
}

describe('the policy', () => {
  test('allows the site itself, its scripts and WebAssembly, and nothing inline', () => {
    expect(contentSecurityPolicy()).toBe(
      "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; " +
        "style-src 'self'; img-src 'self' data:; font-src 'none'; frame-src 'none'; object-src 'none'; " +
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    );
  });

  test('lets only the worker that fetches models reach other hosts, and nothing else of it is wider', () => {
    const policy = (path: string) => siteHeaders(path)['Content-Security-Policy'] ?? '';
    for (const path of [
      '/',
      '/index.html',
      '/assets/model-x.js',
      '/ort/x.mjs',
      '/hub',
      '/hubs/x.js',
      '/models/hub/x',
    ]) {
      expect(policy(path)).toBe(contentSecurityPolicy());
    }
    const wide = "connect-src 'self' https: http://localhost:* http://127.0.0.1:*";
    expect(policy('/hub/hub-x.js')).toBe(contentSecurityPolicy().replace("connect-src 'self'", wide));
  });

  test.each(['index.html', 'headless.html'])(
    '%s carries it, and has no inline script or style',
    async (name) => {
      const html = await readFile(join(dist, name), 'utf8');
      const found = /<meta http-equiv="Content-Security-Policy" content="([^"]*)">/.exec(html)?.[1];
      expect(found?.replaceAll('&#39;', "'")).toBe(contentSecurityPolicy(undefined, true));
      // It holds for what comes after it only.
      expect(html.indexOf('<script')).toBeGreaterThan(html.indexOf('Content-Security-Policy'));
      expect(html).not.toMatch(/<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)/);
    },
  );

  test('dist/_headers has it for hosts that read that file, one policy for every file', async () => {
    const blocks = (await readFile(join(dist, '_headers'), 'utf8')).split(/\n(?=\/)/);
    const rules = blocks.map((block) => {
      const [path = '', ...headers] = block.trim().split('\n');
      return { path, headers: headers.map((line) => line.trim()) };
    });
    const fits = (rule: string, path: string) =>
      rule.endsWith('*') ? path.startsWith(rule.slice(0, -1)) : rule === path;
    const of = (path: string) =>
      rules.filter((rule) => fits(rule.path, path)).flatMap(({ headers }) => headers);
    const policies = (path: string) =>
      of(path).filter((line) => line.startsWith('Content-Security-Policy: '));
    const files = (await readdir(dist, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile() && !entry.name.startsWith('.') && entry.name !== '_headers')
      .map((entry) => `${entry.parentPath.slice(dist.length)}/${entry.name}`);
    expect(files.length).toBeGreaterThan(20);
    for (const path of ['/', '/headless', ...files]) {
      const policy = siteHeaders(path)['Content-Security-Policy'];
      expect([path, policies(path)]).toEqual([path, [`Content-Security-Policy: ${policy}`]]);
      expect(of(path)).toContain('Cross-Origin-Embedder-Policy: require-corp');
    }
    // The worker that fetches models is where its policy is, and no other file is.
    expect(files.filter((path) => path.startsWith('/hub/'))).toEqual([
      expect.stringMatching(/^\/hub\/hub-[\w-]+\.js$/),
    ]);
  });

  test('both servers send it with every answer, workers and the runtime included', async () => {
    const assets = await readFile(join(dist, 'index.html'), 'utf8');
    const script = /src="\.(\/assets\/[^"]+)"/.exec(assets)?.[1] ?? '';
    const shown = await preview({ root: ROOT, logLevel: 'silent', preview: { port: 0, host: '127.0.0.1' } });
    try {
      const origins = [server.origin, new URL(shown.resolvedUrls?.local[0] ?? '').origin];
      const [worker = ''] = await readdir(join(dist, 'hub'));
      const hub = `/hub/${worker}`;
      const paths = ['/', script, '/ort/ort-wasm-simd-threaded.mjs', '/models/default-lm/config.json', hub];
      for (const url of origins.flatMap((origin) => paths.map((path) => origin + path))) {
        const answer = await fetch(url);
        expect([url, answer.status, answer.headers.get('content-security-policy')]).toEqual([
          url,
          200,
          siteHeaders(new URL(url).pathname)['Content-Security-Policy'],
        ]);
        expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
      }
      expect((await fetch(`${server.origin}/none`)).headers.get('content-security-policy')).toBeTruthy();
      // By another way of writing an address no other file gets the policy of that worker.
      const around = await fetch(`${server.origin}/hub/..%2F${script.slice(1)}`);
      expect([around.status, around.headers.get('content-security-policy')]).toEqual([
        200,
        contentSecurityPolicy(),
      ]);
    } finally {
      await shown.close();
    }
  });
});

describe('a whole run on the page', () => {
  let proxy: ReportingProxy;
  let context: BrowserContext;
  let page: Page;
  const log = () => join(scratch, 'page-requests.json');
  const seen = new Set<string>();
  const problems: string[] = [];

  beforeAll(async () => {
    proxy = await startReportingProxy(server.origin);
    context = await chromium.launchPersistentContext(join(scratch, 'profile'), {
      executablePath: setup(),
      headless: true,
      args: [...chromiumFlags('none'), onlyHosts('127.0.0.1'), `--log-net-log=${log()}`],
    });
    page = context.pages()[0] ?? (await context.newPage());
    context.on('request', (request) => seen.add(request.url()));
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') problems.push(message.text());
    });
  }, 120_000);
  afterAll(async () => {
    await context?.close();
    await proxy?.close();
  });

  test('own data, all stages, the adapter, a chat: nothing is stopped, threads work', async () => {
    await page.goto(proxy.origin);
    const chooser = page.waitForEvent('filechooser');
    await page.getByRole('button', { name: 'Use my prompts' }).click();
    await (await chooser).setFiles(await fewRows(16));
    await page.getByRole('tab', { name: '1 refused' }).waitFor({ timeout: 60_000 });
    await page.getByRole('button', { name: 'Run all' }).click();
    await page.getByText('The run is finished.').waitFor({ timeout: 300_000 });

    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Download adapter' }).first().click();
    expect((await readFile(await (await download).path())).length).toBeGreaterThan(1000);

    await page.getByRole('button', { name: /7\s*Result/ }).click();
    await page.getByLabel('Your message to the models').fill('What is the plural of box?');
    await page.getByRole('button', { name: 'Ask', exact: true }).click();
    await page.locator('.chat[aria-busy="false"]').waitFor({ timeout: 120_000 });

    const workers = page.workers().map((worker) => new URL(worker.url()).pathname);
    // onnxruntime's threads are workers of the model worker.
    expect(workers.filter((path) => path.startsWith('/ort/')).length).toBeGreaterThan(0);
    for (const path of workers) expect(proxy.guarded).toContain(path);
    expect(proxy.violations).toEqual([]);
    expect(problems).toEqual([]);
  }, 400_000);

  test('a fetch to another host is refused on the page and in every worker', async () => {
    const attempt = () =>
      new Promise<string>((resolve) => {
        self.addEventListener('securitypolicyviolation', (event) => {
          if (event instanceof SecurityPolicyViolationEvent) {
            resolve(`${event.effectiveDirective} ${event.blockedURI}`);
          }
        });
        fetch('https://example.invalid/secret').then(
          () => resolve('fetched'),
          () => setTimeout(() => resolve('failed, but not by the policy'), 2000),
        );
      });
    const refused = expect.stringMatching(/^connect-src https:\/\/example\.invalid/);
    expect(await page.evaluate(attempt)).toEqual(refused);
    const own = page.workers().filter((worker) => new URL(worker.url()).pathname.startsWith('/assets/'));
    expect(own.length).toBeGreaterThan(0);
    for (const worker of own) expect(await worker.evaluate(attempt)).toEqual(refused);
    // The reports arrive too: an empty list above meant something.
    await expect.poll(() => proxy.violations.length).toBe(1 + own.length);
  }, 60_000);

  test('neither inline scripts nor scripts, images or frames of other hosts are run or loaded', async () => {
    const stopped = await page.evaluate(async () => {
      // The page's policy comes twice, from its header and its <meta>: a set.
      const found = new Set<string>();
      document.addEventListener('securitypolicyviolation', (event) => {
        found.add(`${event.effectiveDirective} ${event.blockedURI}`);
      });
      const add = (tag: string, change: (element: HTMLElement) => void) => {
        const element = document.createElement(tag);
        change(element);
        document.body.append(element);
      };
      add('script', (element) => {
        element.textContent = 'window.ran = true';
      });
      add('script', (element) => element.setAttribute('src', 'https://example.invalid/x.js'));
      add('img', (element) => element.setAttribute('src', 'https://example.invalid/x.png'));
      add('iframe', (element) => element.setAttribute('src', 'https://example.invalid/'));
      add('p', (element) => element.setAttribute('onclick', 'window.ran = true'));
      add('style', (element) => {
        element.textContent = 'body { display: none }';
      });
      await new Promise((resolve) => setTimeout(resolve, 500));
      return {
        found: [...found].sort(),
        ran: 'ran' in window,
        shown: getComputedStyle(document.body).display,
      };
    });
    expect(stopped).toEqual({
      found: [
        'frame-src https://example.invalid',
        'img-src https://example.invalid/x.png',
        'script-src-attr inline',
        'script-src-elem https://example.invalid/x.js',
        'script-src-elem inline',
        'style-src-elem inline',
      ],
      ran: false,
      shown: expect.not.stringMatching('none'),
    });
  }, 60_000);

  test('every request of it went to its own origin', async () => {
    await context.close();
    const { requests, connections, lookups } = await readNetLog(log());
    const asked = requests.filter(
      ({ initiator, url }) => initiator !== 'not an origin' || url.startsWith(proxy.origin),
    );
    // As the log saw them, the workers' and the nested workers' too.
    for (const path of ['/models/default-lm/model.safetensors', '/ort/ort-wasm-simd-threaded.wasm']) {
      expect(asked.map(({ url }) => url)).toContain(proxy.origin + path);
    }
    expect(asked.filter(({ url }) => !url.startsWith(`${proxy.origin}/`))).toEqual([]);
    expect(connections.filter((address) => address !== new URL(proxy.origin).host)).toEqual([]);
    expect(lookups).toEqual([]);
    const allowed = (url: string) => url.startsWith(`${proxy.origin}/`) || /^(blob|data):/.test(url);
    // The addresses tried on purpose, above, were stopped before they became requests on the wire.
    expect([...seen].filter((url) => !allowed(url) && !url.startsWith('https://example.invalid/'))).toEqual(
      [],
    );
  }, 60_000);
});

describe('a headless run', () => {
  const run = (args: string[], env: Record<string, string>) =>
    new Promise<{ status: number | null; output: string }>((resolve) => {
      const script = join(ROOT, 'scripts/selfcontrast.ts');
      const child = spawn(process.execPath, ['--import', 'tsx', script, ...args], {
        cwd: ROOT,
        env: { ...process.env, ...env },
      });
      let output = '';
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
      child.on('close', (status) => resolve({ status, output }));
    });

  test('talks to its own server only, the browser itself included', async () => {
    const log = join(scratch, 'headless-requests.json');
    const settings = [
      'data.heldOut=2',
      'sample.n=2',
      'sample.maxTokens=8',
      'dpo.negatives=1',
      'filter.mode=all',
    ];
    const args = ['--backend', 'wasm', '--data', await fewRows(8), '--out', join(scratch, 'out')];
    const { status, output } = await run([...args, ...settings.flatMap((text) => ['--set', text])], {
      NET_LOG: log,
    });
    expect(output).toContain('Written to');
    expect(status).toBe(0);
    const { requests, connections, lookups } = await readNetLog(log);
    const asked = requests.filter(({ initiator }) => initiator !== 'not an origin');
    const [origin = ''] = new Set(asked.map(({ initiator }) => initiator));
    expect(asked.length).toBeGreaterThan(10);
    expect(asked.filter(({ url }) => !url.startsWith(`${origin}/`))).toEqual([]);
    expect(connections).toEqual([new URL(origin).host]);
    expect(lookups).toEqual([]);
  }, 300_000);

  test('fetches a gated model and an embedder from the hub that is named; the token stays behind', async () => {
    const log = join(scratch, 'hub-requests.json');
    const out = join(scratch, 'hub-out');
    hub.setUp('gated', { models: await defaultModels(), token: TOKEN });
    const settings = [
      'data.heldOut=2',
      'sample.n=2',
      'sample.maxTokens=8',
      'dpo.negatives=1',
      'filter.mode=last',
    ];
    const models = ['--model', 'owner/tiny', '--embedder', 'owner/embedder'];
    const args = [...models, '--backend', 'wasm', '--data', await fewRows(8), '--out', out];
    const set = settings.flatMap((text) => ['--set', text]);
    const env = { NET_LOG: log, HF_ENDPOINT: hub.hub('gated'), HF_TOKEN: TOKEN };
    const refused = await run([...args, ...set], { ...env, HF_TOKEN: '' });
    expect(refused.output).toContain('refuses the list of files of owner/tiny without a token (HTTP 401)');
    expect(refused.status).toBe(1);

    const { status, output } = await run([...args, ...set], env);
    expect(output).toContain('Written to');
    expect(status).toBe(0);
    expect(output).toMatch(/owner\/tiny {2}fetching [\d.]+\/[\d.]+ MB/);
    const { config, model } = JSON.parse(await readFile(join(out, 'run.json'), 'utf8'));
    expect(config).toMatchObject({
      model: expect.stringMatching(/^owner\/tiny@[0-9a-f]{40}$/),
      embedder: expect.stringMatching(/^owner\/embedder@[0-9a-f]{40}$/),
    });
    expect(model.name).toBe('owner/tiny');
    const written = (await readdir(out, { recursive: true, withFileTypes: true })).filter((entry) =>
      entry.isFile(),
    );
    const texts = await Promise.all(
      written.map((entry) => readFile(join(entry.parentPath, entry.name), 'latin1')),
    );
    for (const text of [output, ...texts]) expect(text).not.toContain(TOKEN);

    const { requests } = await readNetLog(log);
    const asked = requests.filter(({ initiator }) => initiator !== 'not an origin');
    const [own = ''] = new Set(asked.map(({ initiator }) => initiator));
    const away = asked.filter(({ url }) => !url.startsWith(`${own}/`)).map(({ url }) => url);
    expect(away.length).toBeGreaterThan(5);
    expect(away.filter((url) => !isModelFile(url))).toEqual([]);
    const atStore = hub.log('gated').filter((request) => request.server === 'store');
    expect(atStore.length).toBeGreaterThan(0);
    expect(atStore.filter(({ authorization }) => authorization !== null)).toEqual([]);
  }, 400_000);
});

const TOKEN = 'hf_aSecretThatStaysInMemory';

/** Addresses of a hub's lists and files, and of the server that it sends on to. */
const isModelFile = (url: string): boolean =>
  /^http:\/\/127\.0\.0\.1:\d+\/\w+\/(api\/models\/owner\/\w+\/revision\/\w+\?blobs=true|owner\/\w+\/resolve\/\w+\/[\w./]+|owner\/\w+\/[\w./]+\?signed)$/.test(
    url,
  );

/** The embedded model and embedder as a hub has them. */
async function defaultModels(): Promise<Record<string, Record<string, HubFileContent>>> {
  const folder = async (name: string) => {
    const root = join(ROOT, 'public/models', name);
    const files = (await readdir(root, { recursive: true, withFileTypes: true })).filter((entry) =>
      entry.isFile(),
    );
    const contents = files.map(async (entry) => {
      const file = join(entry.parentPath, entry.name);
      return [file.slice(root.length + 1), { base64: (await readFile(file)).toString('base64') }] as const;
    });
    return Object.fromEntries(await Promise.all(contents));
  };
  return { 'owner/tiny': await folder('default-lm'), 'owner/embedder': await folder('default-embedder') };
}

describe('a model of a hub', () => {
  let context: BrowserContext;
  let page: Page;
  const log = () => join(scratch, 'fetch-requests.json');

  beforeAll(async () => {
    context = await chromium.launchPersistentContext(join(scratch, 'hub-profile'), {
      executablePath: setup(),
      headless: true,
      args: [...chromiumFlags('none'), onlyHosts('127.0.0.1'), `--log-net-log=${log()}`],
    });
    page = context.pages()[0] ?? (await context.newPage());
  }, 120_000);
  afterAll(() => context?.close());

  test('is fetched by one worker; page and model worker still reach no other host, that hub neither', async () => {
    hub.setUp('open', { models: await defaultModels() });
    const dataset = join(scratch, 'hub-data.json');
    await writeFile(
      dataset,
      JSON.stringify(await makeDataset('d', [{ prompt: 'a-secret-prompt', target: 't' }])),
    );
    const job = {
      config: { ...DEFAULT_CONFIG, backend: 'wasm' as const, model: 'owner/tiny', hub: hub.hub('open') },
      name: 'check',
      dataset: server.offer({ kind: 'file', name: 'dataset.json', path: dataset }),
      check: true,
      inbox: null,
      extras: null,
    };
    await page.goto(`${server.origin}/headless.html`);
    await page.waitForFunction(() => window.selfContrast !== undefined);
    const result = await page.evaluate((given) => window.selfContrast.start(given), job);
    expect(result).toMatchObject({ type: 'check', check: { model: { name: 'owner/tiny' } } });

    const named = (part: string) =>
      page.workers().find((worker) => new URL(worker.url()).pathname.startsWith(part));
    const attempt = (url: string) =>
      fetch(url).then(
        () => 'reached',
        () => 'refused',
      );
    const target = `${hub.hub('open')}/owner/tiny/resolve/main/config.json`;
    const [fetcher, model] = [named('/hub/'), named('/assets/model')];
    expect(await page.evaluate(attempt, target)).toBe('refused');
    expect(await model?.evaluate(attempt, target)).toBe('refused');
    expect(await fetcher?.evaluate(attempt, target)).toBe('reached');
    // The model is here now: with its commit named, the hub is not asked again.
    const [first] = await page.evaluate(() => window.selfContrast.runs());
    const before = hub.log('open').length;
    await page.reload();
    await page.waitForFunction(() => window.selfContrast !== undefined);
    const again = { ...job, config: { ...job.config, model: first?.config.model ?? '' } };
    expect(again.config.model).toMatch(/^owner\/tiny@[0-9a-f]{40}$/);
    expect(await page.evaluate((given) => window.selfContrast.start(given), again)).toMatchObject({
      type: 'check',
    });
    expect(hub.log('open')).toHaveLength(before);
  }, 240_000);

  test('nothing went to the hub but requests for its files', async () => {
    await context.close();
    const { requests, lookups } = await readNetLog(log());
    const asked = requests.filter(({ initiator }) => initiator !== 'not an origin').map(({ url }) => url);
    const away = asked.filter((url) => !url.startsWith(`${server.origin}/`) && !/^(blob|data):/.test(url));
    expect(away.length).toBeGreaterThan(5);
    expect(away.filter((url) => !isModelFile(url))).toEqual([]);
    expect(new Set(hub.log('open').map(({ method }) => method))).toEqual(new Set(['GET']));
    expect(lookups).toEqual([]);
  }, 60_000);
});
