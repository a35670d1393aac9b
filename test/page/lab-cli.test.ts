/** The lab's command from end to end, in a real browser: a small lab, whole and stopped half-way. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freshDist } from '../../scripts/headless/build.ts';
import type { Comparison, LabReport } from '../../src/lab/types.ts';
import { readNetLog } from '../fixtures/net-log.ts';
import { writeReward } from '../fixtures/reward-folder.ts';
import { oneLayer } from '../fixtures/small-run.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DATA = join(ROOT, 'public/datasets/word-helper/train.jsonl');

const SMALL = {
  'data.heldOut': 4,
  'sft.batch': 4,
  'sample.n': 8,
  'sample.maxTokens': 16,
  'filter.percent': 100,
  'dpo.batch': 4,
  'evaluate.samples': 2,
  backend: 'wasm',
};
const ARGUMENTS = [
  ...['--grid', 'dpo.negatives=1,2', '--seeds', '1'],
  ...Object.entries(SMALL).flatMap(([key, value]) => ['--set', `${key}=${value}`]),
];

let scratch = '';
let common: string[] = [];
const started: ChildProcess[] = [];

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'self-contrast-lab-page-'));
  await freshDist(() => {});
  const model = join(scratch, 'one-layer');
  await oneLayer(model);
  const data = join(scratch, 'data.jsonl');
  const rows = (await readFile(DATA, 'utf8')).split('\n').slice(0, 16);
  await writeFile(data, `${rows.join('\n')}\n`);
  const reward = join(scratch, 'reward');
  await writeReward(reward);
  common = ['--model', model, '--data', data, '--reward', reward, ...ARGUMENTS];
}, 180_000);
afterAll(async () => {
  for (const child of started) child.kill('SIGKILL');
  await rm(scratch, { recursive: true, force: true, maxRetries: 5 });
});

/** @param stopAt Ctrl-C as soon as a line of the output matches */
async function lab(out: string, more: readonly string[] = [], stopAt?: RegExp, netLog = '') {
  const args = ['--import', 'tsx', join(ROOT, 'scripts/lab.ts'), ...common, '--out', out, ...more];
  const child = spawn(process.execPath, args, { cwd: ROOT, env: { ...process.env, NET_LOG: netLog } });
  started.push(child);
  let text = '';
  let stopped = false;
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      if (stopped || stopAt === undefined || !stopAt.test(text)) return;
      stopped = true;
      child.kill('SIGINT');
    });
  }
  const code = await new Promise<number | null>((resolve) => child.once('exit', resolve));
  return { code, text };
}

const report = async (out: string): Promise<LabReport> =>
  JSON.parse(await readFile(join(out, 'report.json'), 'utf8'));

/** What must not depend on when it was computed. */
function figures({ arms, curves, samples }: LabReport) {
  const rows = arms.map(({ id, state, figures: own, perSeed, gain, steps, pairs }) => ({
    ...{ id, state, own, perSeed, gain, steps, pairs },
  }));
  return { rows, curves, samples };
}

async function adapters(out: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const folder of (await readdir(join(out, 'adapters'))).sort()) {
    const bytes = await readFile(join(out, 'adapters', folder, 'adapter_model.safetensors'));
    found.set(folder, bytes.toString('base64'));
  }
  return found;
}

test('a lab writes its report, its figures and its adapters, asks a judge, and takes the verdicts', async () => {
  const out = join(scratch, 'whole');
  const first = await lab(out, ['--questions', 'sft,grid-2']);
  expect(first.text).toContain('To do: ');
  expect(first.text).toMatch(/95 % intervals/);
  expect(first.code, first.text).toBe(0);
  const { arms, seeds, mainMeasure } = await report(out);
  expect(seeds).toEqual([1]);
  expect(arms.map(({ id, state }) => [id, state])).toEqual([
    ['sft', 'done'],
    ['grid-1', 'done'],
    ['grid-2', 'done'],
  ]);
  for (const { figures: own } of arms) expect(own[mainMeasure]?.n).toBeGreaterThan(0);
  for (const { figures: own } of arms) {
    expect(own.reward?.n).toBe(4);
    expect(own.winRateTarget?.value).toBeGreaterThanOrEqual(0);
    expect(own.winRateTarget?.value).toBeLessThanOrEqual(1);
  }
  const html = await readFile(join(out, 'report.html'), 'utf8');
  expect(/dpo\.negatives\s=\s2/.test(html)).toBe(true);
  // What the local server was called means nothing later; the settings name the model as the user did.
  for (const name of ['report.html', 'report.json', 'lab.json'])
    expect((await readFile(join(out, name), 'utf8')).includes('lab.localhost'), name).toBe(false);
  expect(JSON.parse(await readFile(join(out, 'lab.json'), 'utf8')).config.model).toBe(
    join(scratch, 'one-layer'),
  );
  expect(existsSync(join(out, 'arms.csv'))).toBe(true);
  expect([...(await adapters(out)).keys()]).toEqual(['grid-1', 'grid-2', 'sft'].map((arm) => `${arm}-seed1`));

  // The lab is kept for the verdicts: nothing is computed again.
  const lines = (await readFile(join(out, 'questions-sft-grid-2.jsonl'), 'utf8')).trimEnd().split('\n');
  const questions: Comparison[] = lines.map((line) => JSON.parse(line));
  expect(questions.length).toBeGreaterThan(0);
  const verdicts = join(scratch, 'verdicts.jsonl');
  const rows = questions.map(({ id }) => ({ id, verdict: 'tie' }));
  await writeFile(
    verdicts,
    [...rows, { id: 'nobody', verdict: 'a' }].map((row) => JSON.stringify(row)).join('\n'),
  );
  const second = await lab(out, ['--verdicts', verdicts]);
  expect(second.code, second.text).toBe(0);
  expect(second.text).toContain(`Verdicts of verdicts.jsonl: ${questions.length} taken, 1 refused`);
  expect(second.text).toContain('To do: 0 pieces');
  const [duel] = (await report(out)).duels;
  expect(duel).toMatchObject({ judge: 'verdicts.jsonl', wins: 0, losses: 0, winRate: { value: 0.5 } });
  expect(existsSync(join(out, '.lab'))).toBe(false);
}, 600_000);

test('stopped in the middle, the same command goes on, to the same figures and adapters', async () => {
  const [whole, out] = [join(scratch, 'whole'), join(scratch, 'stopped')];
  const half = await lab(out, [], /^SFT {2}done/m);
  expect(half.code, half.text).toBe(130);
  expect(half.text).toContain('The same command goes on from here.');
  const states = (await report(out)).arms.map(({ state }) => state);
  expect(states).not.toEqual(['done', 'done', 'done']);
  const rest = await lab(out);
  expect(rest.code, rest.text).toBe(0);
  expect(rest.text).toContain('Going on with the lab');
  expect(rest.text).not.toMatch(/^SFT {2}done/m);
  expect(figures(await report(out))).toEqual(figures(await report(whole)));
  expect(await adapters(out)).toEqual(await adapters(whole));
  expect(existsSync(join(out, '.lab'))).toBe(false);
}, 600_000);

test('--check tells the arms and what they would take, leaves nothing, and asks nobody else', async () => {
  const [out, log] = [join(scratch, 'checked'), join(scratch, 'requests.json')];
  const { code, text } = await lab(out, ['--check'], undefined, log);
  expect(code, text).toBe(0);
  expect(text).toMatch(/3 arms with 1 seed share \d+ pieces of work/);
  expect(text).toMatch(/12 to train on, 4 held out/);
  expect(existsSync(out)).toBe(false);
  const { requests, connections, lookups } = await readNetLog(log);
  const asked = requests.filter(({ initiator }) => initiator !== 'not an origin').map(({ url }) => url);
  expect(asked.length).toBeGreaterThan(10);
  expect(asked.filter((url) => !url.startsWith('http://lab.localhost/'))).toEqual([]);
  expect(connections.filter((address) => !address.startsWith('127.0.0.1:'))).toEqual([]);
  expect(lookups).toEqual([]);
}, 300_000);
