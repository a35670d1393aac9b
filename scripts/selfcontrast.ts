/**
 * `npm run selfcontrast -- --help`: the pipeline without a window. The same pages and workers as in the tab,
 * in headless Chromium, driven from here; nothing but the files of OUT is kept.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Page } from 'playwright';
import type { HeadlessJob, HeadlessResult } from '../src/app/headless.ts';
import type { ExtraProgress } from '../src/app/headless-exports.ts';
import type { ModelProgress } from '../src/app/headless-models.ts';
import type { RunEvent } from '../src/pipeline/types.ts';
import { chromiumFlags, type Gpu, hasGpu, onlyHosts } from './chromium.ts';
import { openAdapter, withAdapter } from './headless/adapter.ts';
import { helpText, readArguments, type Source } from './headless/arguments.ts';
import { freshDist } from './headless/build.ts';
import { dataText, loadDataset } from './headless/data.ts';
import { UsageError } from './headless/fail.ts';
import { Output } from './headless/output.ts';
import { ProgressPrinter } from './headless/progress.ts';
import { type LocalServer, startServer } from './headless/server.ts';
import { checkText, failureText, summaryText } from './headless/summary.ts';
import { setup } from './setup.ts';

/** Exit codes: a failed run, a wrong command line, an interrupted run (as shells have it). */
const FAILED = 1;
const USAGE = 2;
const INTERRUPTED = 130;

/** How long a run may take to store what it has after Ctrl-C, in milliseconds. */
const STOP_PATIENCE = 10_000;

/** A failure whose message says all there is to say to a user. */
class RunFailed extends Error {
  override name = 'RunFailed';
}

async function main(argv: readonly string[]): Promise<number> {
  const command = readArguments(argv);
  if (command === 'help') {
    console.log(helpText());
    return 0;
  }
  const data = await loadDataset(command.data, command.config, command.mapping);
  const { dataset } = data;
  if (command.check) console.log(dataText(data));
  // Addresses of the local server, and what the user called them.
  const names = new Map<string, string>();
  const printer = new ProgressPrinter({
    isTTY: process.stdout.isTTY === true,
    columns: process.stdout.columns ?? 80,
    write: (text) => {
      if (!command.quiet) process.stdout.write(withNames(text, names));
    },
  });
  const browser = setup();
  const dist = await freshDist((line) => printer.line(line));
  const scratch = await mkdtemp(join(tmpdir(), 'self-contrast-'));
  const output = command.out === null || command.check ? null : new Output(command.out);
  const server = await startServer(dist);
  try {
    const adapter = command.adapter === null ? null : await openAdapter(command.adapter, scratch);
    const dataFile = join(scratch, 'dataset.json');
    await writeFile(dataFile, JSON.stringify(dataset));
    // The output folder is tried before hours of work, not after them.
    if (output !== null) await output.open();
    const settings =
      adapter === null
        ? command.config
        : withAdapter(command.config, offered(adapter, server, names), adapter, command.sftAsked);
    const fromHub = [command.model, command.embedder].some(({ kind }) => kind === 'hub');
    const job: HeadlessJob = {
      config: {
        ...settings,
        model: addressOf(command.model, server, names),
        embedder: addressOf(command.embedder, server, names),
      },
      token: fromHub ? process.env.HF_TOKEN || null : null,
      name: command.out === null ? 'check' : basename(command.out),
      dataset: server.offer({ kind: 'file', name: 'dataset.json', path: dataFile }),
      check: command.check,
      inbox: output === null ? null : server.receive(output.aside),
      extras: command.extras,
    };
    if (fromHub) server.allowHub(command.config.hub);
    const remote = fromHub || [command.model, command.embedder].some(({ kind }) => kind === 'url');
    const flags = [
      ...chromiumFlags(gpuFor(job, printer)),
      ...(remote ? [] : [onlyHosts(new URL(server.origin).hostname)]),
    ];
    const result = await inBrowser(browser, join(scratch, 'profile'), server.origin, flags, job, printer);
    return await finish(result, output, names);
  } finally {
    await output?.discard();
    await server.close();
    await rm(scratch, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Writes and prints what came of the job; returns the exit code. */
async function finish(
  result: HeadlessResult,
  output: Output | null,
  names: ReadonlyMap<string, string>,
): Promise<number> {
  if (result.type === 'stopped') {
    console.error('Stopped.');
    return INTERRUPTED;
  }
  if (result.type === 'failed') {
    throw new RunFailed(withNames(failureText(result.error), names));
  }
  if (result.type === 'check') {
    console.log(withNames(checkText(result.check), names));
    return 0;
  }
  const { manifest, remarks, failures } = result;
  if (output === null) throw new Error('internal: a run without an output folder');
  if (manifest.report === undefined) throw new RunFailed('the run ended without a report.');
  await output.rewrite(names);
  const files = await output.commit();
  console.log(summaryText(manifest.report, manifest));
  console.log(`Written to ${output.out}: ${files.join(', ')}`);
  for (const remark of remarks) console.log(`Note: ${remark}`);
  for (const failure of failures) console.error(`Not written: ${withNames(failure, names)}`);
  return failures.length > 0 ? FAILED : 0;
}

/** The address under which the page finds a source; `names` learns what the user called it. */
function addressOf(source: Source, server: LocalServer, names: Map<string, string>): string {
  switch (source.kind) {
    case 'default':
      return 'default';
    case 'url':
      server.allow(source.url);
      return source.url;
    case 'hub':
      return source.name;
    case 'folder': {
      const url = server.offer(source);
      names.set(url, source.path);
      return url;
    }
  }
}

/** The address of the adapter's folder; what the run says of it later is what the user called it. */
function offered(
  adapter: { folder: string; name: string },
  server: LocalServer,
  names: Map<string, string>,
): string {
  const url = server.offer({ kind: 'folder', name: adapter.name, path: adapter.folder });
  names.set(url, adapter.name);
  return url;
}

function withNames(text: string, names: ReadonlyMap<string, string>): string {
  let replaced = text;
  for (const [url, name] of names) replaced = replaced.replaceAll(url, () => `${name}/`);
  return replaced;
}

/** Opens the page, runs the job in it, and closes everything again, whatever happens. */
async function inBrowser(
  executablePath: string,
  profile: string,
  origin: string,
  args: string[],
  job: HeadlessJob,
  printer: ProgressPrinter,
): Promise<HeadlessResult> {
  // Loaded late: a mistyped flag should be told of at once.
  const { chromium } = await import('playwright');
  // A persistent context: its IndexedDB lies on the disk and may grow with it, a private one's in memory.
  const context = await chromium.launchPersistentContext(profile, {
    executablePath,
    headless: true,
    args,
    // Ctrl-C is handled below: the run stops first, then the browser.
    handleSIGINT: false,
    handleSIGTERM: false,
  });
  let interrupt: () => void = () => undefined;
  let closing = false;
  try {
    const page = context.pages()[0] ?? (await context.newPage());
    const broken = new Promise<never>((_, reject) => {
      page.once('crash', () =>
        reject(new RunFailed('the page ran out of memory; see --check for what it needs.')),
      );
      context.once('close', () => {
        if (!closing) reject(new RunFailed('the browser closed unexpectedly.'));
      });
    });
    // Losing the race below must not look like an unhandled error.
    broken.catch(() => undefined);
    const interrupted = new Promise<HeadlessResult>((resolve) => {
      interrupt = () => {
        printer.line('Stopping ...');
        setTimeout(() => resolve({ type: 'stopped' }), STOP_PATIENCE).unref();
        page.evaluate(() => window.selfContrast.stop()).catch(() => resolve({ type: 'stopped' }));
      };
    });
    process.once('SIGINT', interrupt);
    process.once('SIGTERM', interrupt);
    return await Promise.race([runJob(page, origin, job, printer), broken, interrupted]);
  } finally {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
    closing = true;
    await context.close();
  }
}

async function runJob(
  page: Page,
  origin: string,
  job: HeadlessJob,
  printer: ProgressPrinter,
): Promise<HeadlessResult> {
  page.on('pageerror', (error) => printer.line(`The page reports: ${error.message}`));
  if (process.env.DEBUG) page.on('console', (message) => printer.line(`[page] ${message.text()}`));
  await page.exposeFunction('onSelfContrastEvent', (event: RunEvent) => printer.event(event));
  await page.exposeFunction('onSelfContrastExtra', (progress: ExtraProgress) => printer.extra(progress));
  await page.exposeFunction('onSelfContrastModel', (progress: ModelProgress) => printer.model(progress));
  await page.goto(`${origin}/headless.html`);
  await page.waitForFunction(() => window.selfContrast !== undefined);
  return page.evaluate((given) => window.selfContrast.start(given), job);
}

/** A real GPU where there is one; its emulation only for those who ask for WebGPU by name. */
function gpuFor(job: HeadlessJob, printer: ProgressPrinter): Gpu {
  const { backend } = job.config;
  if (backend === 'wasm') return 'none';
  if (hasGpu()) return 'hardware';
  if (backend === 'auto') return 'none';
  printer.line('No GPU found: WebGPU is emulated on the CPU (SwiftShader), which is very slow.');
  return 'software';
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  console.error(`selfcontrast: ${message}`);
  if (process.env.DEBUG && error instanceof Error) console.error(error.stack);
  process.exitCode = error instanceof UsageError ? USAGE : FAILED;
}
