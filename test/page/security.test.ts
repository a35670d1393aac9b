/**
 * The built site keeps to itself: its policy, and every request of whole runs, on the page and without one. What the
 * browser asks for by itself (updates, sign-in) is not the page's doing; the headless runner stops that, too.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BrowserContext, chromium, type Page } from 'playwright';
import { preview } from 'vite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumFlags, onlyHosts } from '../../scripts/chromium.ts';
import { freshDist } from '../../scripts/headless/build.ts';
import { type LocalServer, startServer } from '../../scripts/headless/server.ts';
import { contentSecurityPolicy } from '../../scripts/lib/headers.ts';
import { setup } from '../../scripts/setup.ts';
import { readNetLog } from '../fixtures/net-log.ts';
import { type ReportingProxy, startReportingProxy } from '../fixtures/reporting-proxy.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DATA = join(ROOT, 'public/datasets/word-helper/train.jsonl');

let scratch: string;
let dist: string;
let server: LocalServer;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'self-contrast-security-'));
  dist = await freshDist(() => {});
  server = await startServer(dist);
}, 240_000);
afterAll(async () => {
  await server?.close();
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
    expect(contentSecurityPolicy(['https://hub.example'])).toContain(
      "connect-src 'self' https://hub.example;",
    );
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

  test('dist/_headers has it for hosts that read that file', async () => {
    const file = await readFile(join(dist, '_headers'), 'utf8');
    expect(file).toMatch(/^\/\*\n/);
    expect(file).toContain(`  Content-Security-Policy: ${contentSecurityPolicy()}\n`);
    expect(file).toContain('  Cross-Origin-Embedder-Policy: require-corp\n');
  });

  test('both servers send it with every answer, workers and the runtime included', async () => {
    const assets = await readFile(join(dist, 'index.html'), 'utf8');
    const script = /src="\.(\/assets\/[^"]+)"/.exec(assets)?.[1] ?? '';
    const shown = await preview({ root: ROOT, logLevel: 'silent', preview: { port: 0, host: '127.0.0.1' } });
    try {
      const origins = [server.origin, new URL(shown.resolvedUrls?.local[0] ?? '').origin];
      const paths = ['/', script, '/ort/ort-wasm-simd-threaded.mjs', '/models/default-lm/config.json'];
      for (const url of origins.flatMap((origin) => paths.map((path) => origin + path))) {
        const answer = await fetch(url);
        expect([url, answer.status, answer.headers.get('content-security-policy')]).toEqual([
          url,
          200,
          contentSecurityPolicy(),
        ]);
        expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
      }
      expect((await fetch(`${server.origin}/none`)).headers.get('content-security-policy')).toBeTruthy();
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

  test('fetches from a hub that the user names, and from no other', async () => {
    const hub = await modelHub();
    try {
      const log = join(scratch, 'hub-requests.json');
      const args = ['--check', '--backend', 'wasm', '--data', await fewRows(8), '--model', 'owner/tiny'];
      const { status, output } = await run(args, { NET_LOG: log, HF_ENDPOINT: hub.origin });
      expect(output).toContain('owner/tiny');
      expect(status).toBe(0);
      const { requests } = await readNetLog(log);
      const asked = requests.filter(({ initiator }) => initiator !== 'not an origin');
      const hosts = new Set(asked.map(({ url }) => new URL(url).origin));
      expect(hosts.size).toBe(2);
      expect(hosts).toContain(hub.origin);
      expect(hub.paths).toContain('/owner/tiny/resolve/main/model.safetensors');
    } finally {
      hub.server.close();
    }
  }, 300_000);
});

/** Another origin that serves the default model as a hub does. */
async function modelHub(): Promise<{ origin: string; paths: string[]; server: Server }> {
  const paths: string[] = [];
  const hub = createServer((request, response) => {
    const path = request.url ?? '';
    paths.push(path);
    response.setHeader('Access-Control-Allow-Origin', '*');
    readFile(join(ROOT, 'public/models/default-lm', path.replace('/owner/tiny/resolve/main/', ''))).then(
      (bytes) => response.end(bytes),
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => hub.listen(0, '127.0.0.1', resolve));
  const address = hub.address();
  if (address === null || typeof address === 'string') throw new Error('the hub has no port');
  return { origin: `http://127.0.0.1:${address.port}`, paths, server: hub };
}
