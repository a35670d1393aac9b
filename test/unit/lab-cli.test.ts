/** The lab's command as a user meets it, and its folder: told in one line what is wrong, before a browser starts. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { labHelpText, readLabArguments } from '../../scripts/headless/lab-arguments.ts';
import { LabFolder } from '../../scripts/headless/lab-folder.ts';
import { estimateText, LabPrinter, labProgressText } from '../../scripts/headless/lab-progress.ts';
import { ProgressPrinter } from '../../scripts/headless/progress.ts';
import type { LabEvent, Sign } from '../../src/lab/types.ts';
import { DEFAULT_CONFIG } from '../../src/pipeline/config.ts';

const SCRIPT = fileURLToPath(new URL('../../scripts/lab.ts', import.meta.url));

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'self-contrast-lab-cli-'));
  writeFileSync(
    join(folder, 'data.jsonl'),
    [1, 2, 3].map((n) => `${JSON.stringify({ prompt: `p${n}`, target: `t${n}` })}\n`).join(''),
  );
  writeFileSync(join(folder, 'verdicts.jsonl'), '{"id": "x", "verdict": "a"}\n');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The real command, in a process of its own. */
function run(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', SCRIPT, ...args], {
    encoding: 'utf8',
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    // No browser may be looked for, let alone started.
    env: { ...process.env, CHROMIUM_PATH: '/nonexistent' },
  });
  return { status, stdout, lines: stderr.trimEnd().split('\n') };
}

function read(...args: string[]) {
  const command = readLabArguments([...args, '--out', join(folder, 'out')]);
  if (command === 'help') throw new Error('expected a command');
  return command;
}

test('plans, grids and seeds become what a lab is made of', () => {
  const command = read('--plan', 'negatives,filter', '--plan', 'filter', '--seeds', '4,5');
  expect(command.plans).toEqual(['negatives', 'filter']);
  expect(command.seeds).toEqual([4, 5]);
  // 16 negatives need more answers than a run samples by default.
  expect(command.config.sample.n).toBe(32);
  expect(DEFAULT_CONFIG.sample.n).toBeLessThan(32);
  writeFileSync(join(folder, 'run.json'), JSON.stringify({ config: { sample: { n: 16 } } }));
  expect(read('--plan', 'negatives', '--config', join(folder, 'run.json')).config.sample.n).toBe(32);
  expect(read('--plan', 'all').plans).toHaveLength(5);
  const grid = read('--grid', 'dpo.beta=0.05,0.1', '--grid', 'dpo.negatives=1,2', '--set', 'sample.n=8');
  expect(grid.axes).toEqual([
    { key: 'dpo.beta', values: [0.05, 0.1] },
    { key: 'dpo.negatives', values: [1, 2] },
  ]);
  expect(grid.config.sample.n).toBe(8);
});

test('questions keep the lab that their verdicts will be about', () => {
  expect(read('--plan', 'negatives').keep).toBe(false);
  const { keep, questions } = read('--plan', 'negatives', '--questions', 'sft,k8');
  expect(keep).toBe(true);
  expect(questions).toEqual([['sft', 'k8']]);
});

test.each([
  [[], /^--plan NAME is missing.*negatives.*all.*--grid/],
  [['--plan', 'negative'], /^--plan negative: there is no such plan; there are negatives, filter/],
  [['--grid', 'dpo.beta'], /^--grid dpo\.beta: expected key=value/],
  [['--grid', 'dpo.betta=1,2'], /^--grid dpo\.betta=1,2: .*betta/],
  [['--grid', 'seed=1,2'], /^--grid seed=1,2: seed: give the seeds of the lab instead/],
  [['--plan', 'negatives', '--seeds', '1,1'], /^--seeds 1,1: /],
  [['--plan', 'negatives', '--seeds', 'x'], /^--seeds x: x is no seed/],
  [['--plan', 'negatives', '--final-share', '2'], /^--final-share 2: expected 0 to 0\.9/],
  [['--plan', 'negatives', '--questions', 'sft'], /^--questions sft: expected two arms/],
  [['--plan', 'negatives', '--verdicts', 'none.jsonl'], /^--verdicts none\.jsonl: no such file/],
  [['--plan', 'negatives', '--imported', 'none.jsonl'], /^--imported none\.jsonl: no such file/],
  [['--plan', 'negatives', '--reward', 'none'], /^--reward none: no such folder/],
])('%j', (args, message) => {
  expect(() => read(...args)).toThrow(message);
});

test('--help tells of every flag', () => {
  const text = labHelpText();
  for (const flag of ['plan', 'grid', 'seeds', 'imported', 'reward', 'final-share', 'final', 'questions'])
    expect(text).toContain(`--${flag} `);
  expect(text).toMatch(/sample\.n .*\n.*default 32/);
});

test('what the data or the settings do not allow is told in one line', () => {
  const data = ['--data', join(folder, 'data.jsonl')];
  const out = ['--out', join(folder, 'refused')];
  const answers: readonly [string[], RegExp][] = [
    [['--plan', 'sources'], /^lab: --plan sources: .*give a file of them/],
    [['--grid', 'dpo.negatives=2,64'], /^lab: settings: grid-2: dpo\.negatives/],
    [['--plan', 'negatives', '--questions', 'sft,k9'], /^lab: --questions k9: there is no such arm; .*k8/],
    [['--plan', 'negatives', '--verdicts', join(folder, 'verdicts.jsonl')], /^lab: --verdicts .*no lab in/],
  ];
  for (const [args, message] of answers) {
    const { status, stdout, lines } = run(...data, ...out, ...args);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(message);
    expect([status, stdout]).toEqual([2, '']);
  }
  expect(existsSync(join(folder, 'refused', '.lab'))).toBe(false);
});

test('a lab’s folder goes on with the same settings, and with no others', async () => {
  const out = join(folder, 'kept');
  mkdirSync(out);
  const asked = { seeds: [1, 2], settings: DEFAULT_CONFIG, imported: null };
  const first = await LabFolder.open(out, asked);
  expect(first.begun).toBe(false);
  const again = await LabFolder.open(out, structuredClone(asked));
  expect(again.begun).toBe(true);
  // The same addresses: they are part of the lab's settings, and what a browser stores belongs to its origin.
  expect(again.identity).toEqual(first.identity);
  await expect(LabFolder.open(out, { ...asked, seeds: [1] })).rejects.toThrow(
    /holds a lab that differs in seeds: repeat its command.*delete .*\.lab/,
  );
  writeFileSync(join(out, '.lab', 'asked.json'), '{"asked": ');
  await expect(LabFolder.open(out, asked)).rejects.toThrow('by another version');
  await again.remove();
  expect((await LabFolder.open(out, asked)).begun).toBe(false);
  expect(readFileSync(join(out, '.lab', 'asked.json'), 'utf8')).toContain('"seeds"');
});

test('progress, pieces and signs as lines; a sign once an arm and seed', () => {
  expect(
    labProgressText({
      ...{ piecesDone: 11, pieces: 54, secondsLeft: 363, share: 0.219, label: 'SFT, seed 2' },
      ...{ done: 40, total: 188, unit: 'steps', rate: 3.42 },
    }),
  ).toBe('[12/54] SFT, seed 2  40/188 steps  3.42/s  whole 21 %  6:03 left');
  const lines: string[] = [];
  const terminal = { isTTY: false, columns: 80, write: (text: string) => void lines.push(text) };
  const printer = new LabPrinter(new ProgressPrinter(terminal));
  const piece = {
    key: 'a',
    kind: 'policy',
    label: 'k = 8, seed 1',
    seed: 1,
    seconds: 61,
    figures: {},
  } as const;
  const sign: Sign = {
    ...{ id: 'chosen-falls', title: 'The target falls', state: 'seen', threshold: 'x' },
    ...{ evidence: 'From -1 to -9.', suggestion: 'Lower the rate.' },
  };
  const events: LabEvent[] = [
    { type: 'piece', piece: { ...piece, state: 'running' } },
    { type: 'sign', arm: 'k8', seed: 1, sign },
    { type: 'sign', arm: 'k8', seed: 1, sign: { ...sign, evidence: 'From -1 to -10.' } },
    { type: 'sign', arm: 'k8', seed: 1, sign: { ...sign, id: 'plateau', state: 'not-seen' } },
    { type: 'piece', piece: { ...piece, state: 'done' } },
    { type: 'piece', piece: { ...piece, state: 'failed', error: { message: 'no', details: '' } } },
  ];
  for (const event of events) printer.event(event);
  expect(lines).toEqual([
    'Sign: k8, seed 1: The target falls. From -1 to -9. Lower the rate.\n',
    'k = 8, seed 1  done  1:01\n',
    'k = 8, seed 1  failed: no\n',
  ]);
});

test('an estimate tells time, storage and memory, and why it can’t start', () => {
  expect(
    estimateText({
      pieces: [{ label: 'SFT', kind: 'policy', seconds: 5 }],
      ...{ seconds: 3725, tokens: 2_340_000, bytes: 5e7, bytesFree: 4e7, memoryBytes: 3e8, measured: true },
      problem: 'too little storage',
    }),
  ).toEqual([
    'To do: 1 piece of work, about 1:02:05 (measured here), 2.3 M tokens; storage 50 MB of 40 MB free, memory 300 MB',
    "It can't start: too little storage",
  ]);
});
