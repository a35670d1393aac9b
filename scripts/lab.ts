/**
 * `npm run lab -- --help`: compares arms on one's own data, without a window: the same pages and workers as in the tab,
 * in headless Chromium. The lab lives in OUT/.lab until it is done, so that the same command goes on with it.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { LabJob, LabResult } from '../src/app/headless-lab.ts';
import type { ModelProgress } from '../src/app/headless-models.ts';
import { answersAPrompt, importedAnswers, importedText } from '../src/lab/imported.ts';
import { gridPlan, type Plan, planOf, together } from '../src/lab/plans.ts';
import { checkLab } from '../src/lab/run.ts';
import type { LabEstimate, LabEvent } from '../src/lab/types.ts';
import { ConfigError } from '../src/pipeline/config.ts';
import { inBrowser, RunFailed } from './headless/browser.ts';
import { freshDist } from './headless/build.ts';
import { dataText, type LoadedLabData, loadLabData } from './headless/data.ts';
import { command, FAILED, INTERRUPTED } from './headless/exit.ts';
import { UsageError } from './headless/fail.ts';
import { naming } from './headless/flags.ts';
import { type LabCommand, labHelpText, readLabArguments } from './headless/lab-arguments.ts';
import { type Asked, LabFolder } from './headless/lab-folder.ts';
import { LabPrinter } from './headless/lab-progress.ts';
import { labCheckText, labSummary, verdictsText } from './headless/lab-summary.ts';
import { addressOf, type Names, withNames } from './headless/names.ts';
import { Output } from './headless/output.ts';
import { ProgressPrinter } from './headless/progress.ts';
import { type LocalServer, startServer } from './headless/server.ts';
import { setup } from './setup.ts';

type Arms = ReturnType<typeof together>;

async function main(argv: readonly string[]): Promise<number> {
  const asked = readLabArguments(argv);
  if (asked === 'help') {
    console.log(labHelpText());
    return 0;
  }
  const data = await loadLabData(asked.data, asked.imported, asked.config, asked.mapping);
  const arms = armsOf(asked, data);
  for (const line of notes(asked, data)) console.log(line);
  const names: Names = new Map();
  const printer = new ProgressPrinter({
    isTTY: process.stdout.isTTY === true,
    columns: process.stdout.columns ?? 80,
    write: (text) => {
      if (!asked.quiet) process.stdout.write(withNames(text, names));
    },
  });
  const scratch = await mkdtemp(join(tmpdir(), 'self-contrast-lab-'));
  const out = asked.check || asked.out === null ? null : asked.out;
  const output = out === null ? null : new Output(out);
  // --check leaves nothing anywhere.
  const folder = await LabFolder.open(out ?? scratch, identityOf(asked, arms, data));
  if (folder.begun) printer.line('Going on with the lab that is in the folder.');
  else if (asked.verdicts.length > 0) await noLab(folder, asked);
  const browser = setup();
  const server = await startServer(await freshDist((line) => printer.line(line)), folder.identity);
  try {
    await output?.open();
    const job = await jobOf(asked, arms, data, { server, names, scratch, output });
    const sources = [asked.model, asked.embedder, ...(asked.reward ? [asked.reward] : [])];
    if (sources.some(({ kind }) => kind === 'hub')) server.allowHub(asked.config.hub);
    const lab = new LabPrinter(printer);
    const result = await inBrowser<LabResult>(
      {
        executablePath: browser,
        profile: folder.profile,
        server,
        backend: asked.config.backend,
        remote: sources.some(({ kind }) => kind === 'hub' || kind === 'url'),
        line: (text) => printer.line(text),
      },
      {
        onSelfContrastLab: (event: LabEvent) => lab.event(event),
        onSelfContrastEstimate: (estimate: LabEstimate) => lab.estimate(estimate),
        onSelfContrastModel: (progress: ModelProgress) => printer.model(progress),
      },
      (page) => page.evaluate((given) => window.selfContrast.lab(given), job),
      { type: 'stopped', report: null },
    );
    return await finish(result, { asked, arms, output, folder, names });
  } finally {
    await output?.discard();
    await server.close();
    await rm(scratch, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** @throws UsageError where the data or the settings do not allow what was asked for */
function armsOf(
  { plans, all, axes, config, seeds, finalShare, questions }: LabCommand,
  data: LoadedLabData,
): Arms {
  const { rows } = data.dataset;
  const facts = {
    hasRejected: rows.some(({ rejected }) => rejected !== undefined),
    imported: data.imported === null ? 0 : answersAPrompt(importedAnswers(data.imported.rows, rows)),
  };
  const chosen = plans.flatMap((id): Plan[] => {
    try {
      return [planOf(id, config, facts)];
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      if (all) return [];
      throw new UsageError(`--plan ${id}: ${error.message}`);
    }
  });
  const grid = axes.length === 0 ? [] : [naming('--grid', () => gridPlan(axes, config))];
  const arms = together([...chosen, ...grid]);
  naming('settings', () => checkLab({ ...arms, config, seeds, finalShare }));
  const ids = arms.arms.map(({ id }) => id);
  const unknown = questions.flat().find((id) => !ids.includes(id));
  if (unknown !== undefined) {
    throw new UsageError(`--questions ${unknown}: there is no such arm; there are ${ids.join(', ')}.`);
  }
  return arms;
}

/** What is said of the data before anything starts. */
function notes({ check, imported }: LabCommand, data: LoadedLabData): string[] {
  return [
    ...(check ? [dataText(data)] : []),
    ...(imported !== null && data.imported !== null
      ? importedText(importedAnswers(data.imported.rows, data.dataset.rows))
      : []),
  ];
}

/** What must be the same for a stored lab to be gone on with. */
function identityOf(asked: LabCommand, { plans, arms }: Arms, { dataset, imported }: LoadedLabData): Asked {
  const { config, model, embedder, reward, seeds, finalShare } = asked;
  return {
    plan: plans.map(({ id }) => id),
    arms,
    seeds,
    settings: config,
    ...{ model, embedder, reward, 'final-share': finalShare },
    data: [dataset.name, dataset.fingerprint],
    imported: imported?.fingerprint ?? null,
  };
}

/** Verdicts are about answers that are there. */
async function noLab(folder: LabFolder, { out, verdicts }: LabCommand): Promise<never> {
  await folder.remove();
  throw new UsageError(
    `--verdicts ${verdicts[0]?.judge}: there is no lab in ${out ?? 'a --check'}; run it with --keep or --questions first.`,
  );
}

interface Places {
  readonly server: LocalServer;
  readonly names: Names;
  readonly scratch: string;
  readonly output: Output | null;
}

/** Addresses come in the same order every time: they are part of the lab's settings. */
async function jobOf(
  asked: LabCommand,
  { plans, arms }: Arms,
  { dataset, imported }: LoadedLabData,
  { server, names, scratch, output }: Places,
): Promise<LabJob> {
  const { config, seeds, finalShare, final, verdicts, questions, check, reward } = asked;
  const offered = async (name: string, value: unknown): Promise<string> => {
    const path = join(scratch, name);
    await writeFile(path, JSON.stringify(value));
    return server.offer({ kind: 'file', name, path });
  };
  return {
    config: {
      ...config,
      model: addressOf(asked.model, server, names),
      embedder: addressOf(asked.embedder, server, names),
    },
    reward: reward === null ? null : addressOf(reward, server, names),
    token: process.env.HF_TOKEN || null,
    name: asked.out === null ? 'check' : basename(asked.out),
    dataset: await offered('dataset.json', dataset),
    imported: imported === null ? null : await offered('imported.json', imported),
    ...{ plans, arms, seeds, finalShare, final, verdicts, questions, check },
    inbox: output === null ? null : server.receive(output.aside),
  };
}

interface Ending {
  readonly asked: LabCommand;
  readonly arms: Arms;
  readonly output: Output | null;
  readonly folder: LabFolder;
  readonly names: Names;
}

/** Writes and prints what came of the job; returns the exit code. */
async function finish(result: LabResult, { asked, arms, output, folder, names }: Ending): Promise<number> {
  if (result.type === 'check') {
    console.log(withNames(labCheckText(result.estimate, arms.plans, arms.arms, asked.seeds.length), names));
    return result.estimate.problem === undefined ? 0 : FAILED;
  }
  if (output === null) throw new Error('internal: a lab without an output folder');
  const written = result.report === null ? [] : await writeFiles(output, names);
  if (result.report !== null) console.log(withNames(labSummary(result.report), names));
  if (result.type === 'done' && result.final !== null)
    console.log(withNames(labSummary(result.final), names));
  if (result.type === 'done') for (const each of result.verdicts) console.log(verdictsText(each));
  if (written.length > 0) console.log(`Written to ${output.out}: ${told(written)}`);
  if (result.type === 'stopped') {
    console.error('Stopped. The same command goes on from here.');
    return INTERRUPTED;
  }
  if (result.type === 'failed') throw new RunFailed(withNames(result.error.message, names));
  if (asked.keep) console.log(`The lab is kept in ${join(output.out, '.lab')}.`);
  else await folder.remove();
  return result.report.arms.some(({ state }) => state === 'failed') ? FAILED : 0;
}

async function writeFiles(output: Output, names: Names): Promise<string[]> {
  await output.rewrite(names);
  return output.commit();
}

/** Adapters are counted: a lab has dozens. */
function told(paths: readonly string[]): string {
  const adapters = paths.filter((path) => path.startsWith('adapters/') && path.endsWith('.safetensors'));
  const others = paths.filter((path) => !path.startsWith('adapters/'));
  return [...others, ...(adapters.length > 0 ? [`adapters/ (${adapters.length})`] : [])].join(', ');
}

await command('lab', main);
