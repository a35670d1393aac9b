/**
 * `npm run selfcontrast -- --help`: the pipeline without a window. The same pages and workers as in the tab,
 * in headless Chromium, driven from here; nothing but the files of OUT is kept.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { HeadlessJob, HeadlessResult } from '../src/app/headless.ts';
import type { ExtraProgress } from '../src/app/headless-exports.ts';
import type { ModelProgress } from '../src/app/headless-models.ts';
import type { RunEvent } from '../src/pipeline/types.ts';
import { openAdapter, withAdapter } from './headless/adapter.ts';
import { helpText, readArguments } from './headless/arguments.ts';
import { inBrowser, RunFailed } from './headless/browser.ts';
import { freshDist } from './headless/build.ts';
import { dataText, loadDataset } from './headless/data.ts';
import { command, FAILED, INTERRUPTED } from './headless/exit.ts';
import { addressOf, type Names, withNames } from './headless/names.ts';
import { Output } from './headless/output.ts';
import { ProgressPrinter } from './headless/progress.ts';
import { type LocalServer, startServer } from './headless/server.ts';
import { checkText, failureText, summaryText } from './headless/summary.ts';
import { setup } from './setup.ts';

async function main(argv: readonly string[]): Promise<number> {
  const asked = readArguments(argv);
  if (asked === 'help') {
    console.log(helpText());
    return 0;
  }
  const data = await loadDataset(asked.data, asked.config, asked.mapping);
  const { dataset } = data;
  if (asked.check) console.log(dataText(data));
  const names: Names = new Map();
  const printer = new ProgressPrinter({
    isTTY: process.stdout.isTTY === true,
    columns: process.stdout.columns ?? 80,
    write: (text) => {
      if (!asked.quiet) process.stdout.write(withNames(text, names));
    },
  });
  const browser = setup();
  const dist = await freshDist((line) => printer.line(line));
  const scratch = await mkdtemp(join(tmpdir(), 'self-contrast-'));
  const output = asked.out === null || asked.check ? null : new Output(asked.out);
  const server = await startServer(dist);
  try {
    const adapter = asked.adapter === null ? null : await openAdapter(asked.adapter, scratch);
    const dataFile = join(scratch, 'dataset.json');
    await writeFile(dataFile, JSON.stringify(dataset));
    // The output folder is tried before hours of work, not after them.
    if (output !== null) await output.open();
    const settings =
      adapter === null
        ? asked.config
        : withAdapter(asked.config, offered(adapter, server, names), adapter, asked.sftAsked);
    const fromHub = [asked.model, asked.embedder].some(({ kind }) => kind === 'hub');
    const job: HeadlessJob = {
      config: {
        ...settings,
        model: addressOf(asked.model, server, names),
        embedder: addressOf(asked.embedder, server, names),
      },
      token: fromHub ? process.env.HF_TOKEN || null : null,
      name: asked.out === null ? 'check' : basename(asked.out),
      dataset: server.offer({ kind: 'file', name: 'dataset.json', path: dataFile }),
      check: asked.check,
      inbox: output === null ? null : server.receive(output.aside),
      extras: asked.extras,
    };
    if (fromHub) server.allowHub(asked.config.hub);
    const remote = fromHub || [asked.model, asked.embedder].some(({ kind }) => kind === 'url');
    const result = await inBrowser<HeadlessResult>(
      {
        executablePath: browser,
        profile: join(scratch, 'profile'),
        server,
        backend: job.config.backend,
        remote,
        line: (text) => printer.line(text),
      },
      {
        onSelfContrastEvent: (event: RunEvent) => printer.event(event),
        onSelfContrastExtra: (progress: ExtraProgress) => printer.extra(progress),
        onSelfContrastModel: (progress: ModelProgress) => printer.model(progress),
      },
      (page) => page.evaluate((given) => window.selfContrast.start(given), job),
      { type: 'stopped' },
    );
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

/** The address of the adapter's folder; what the run says of it later is what the user called it. */
function offered(adapter: { folder: string; name: string }, server: LocalServer, names: Names): string {
  const url = server.offer({ kind: 'folder', name: adapter.name, path: adapter.folder });
  names.set(url, adapter.name);
  return url;
}

await command('selfcontrast', main);
