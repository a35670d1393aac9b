/** The command as a user meets it: whatever is wrong with it is told in one line, before a browser starts. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readArguments } from '../../scripts/headless/arguments.ts';
import { dataText, loadDataset } from '../../scripts/headless/data.ts';
import { duration, progressText, short } from '../../scripts/headless/progress.ts';
import { inside } from '../../scripts/headless/server.ts';
import { DEFAULT_CONFIG } from '../../src/pipeline/config.ts';

const SCRIPT = fileURLToPath(new URL('../../scripts/selfcontrast.ts', import.meta.url));

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'self-contrast-cli-'));
  mkdirSync(join(folder, 'model'));
  writeFileSync(join(folder, 'model', 'config.json'), '{}');
  writeFileSync(join(folder, 'good.jsonl'), '{"prompt": "a", "target": "b"}\nnonsense\n');
  writeFileSync(join(folder, 'bad.jsonl'), 'nonsense\n');
  writeFileSync(join(folder, 'empty.jsonl'), '');
  writeFileSync(join(folder, 'config.json'), '{ "dpo": { "beta": 0.3 }, "seed": 5 }');
  writeFileSync(join(folder, 'broken.json'), '{ "dpo": ');
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
  const command = readArguments([...args, '--out', join(folder, 'out')]);
  if (command === 'help') throw new Error('expected a command');
  return command;
}

test('a bad flag', () => {
  expect(run('--modle', 'x')).toEqual({
    status: 2,
    stdout: '',
    lines: ["selfcontrast: Unknown option '--modle'; see --help."],
  });
});

test('a missing data file', () => {
  const data = join(folder, 'none.jsonl');
  expect(run('--data', data, '--out', join(folder, 'out'))).toEqual({
    status: 2,
    stdout: '',
    lines: [`selfcontrast: --data ${data}: no such file.`],
  });
});

test('data in which no row can be used', () => {
  const { status, lines } = run('--data', join(folder, 'bad.jsonl'), '--out', join(folder, 'out'));
  expect(status).toBe(2);
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/bad\.jsonl: .*not JSON/);
});

test('a model folder without its tokenizer', () => {
  expect(() => read('--model', join(folder, 'model'))).toThrow('there is no tokenizer.json in it.');
});

test.each([
  [['--set', 'dpo.betta=1'], /--set dpo\.betta=1.*betta/],
  [['--set', 'dpo.beta'], 'expected key=value'],
  [['--set', 'dpo.beta=much'], /dpo\.beta/],
  [['--backend', 'cuda'], /auto, webgpu, wasm/],
  [['--set', 'sample.n=2'], /dpo\.negatives/],
  [['--config', 'none.json'], 'no such file'],
  [['--model', './none'], 'no such folder, and not a hub id'],
  [['extra'], /Unexpected argument 'extra'/],
  [['--data', '.'], 'is not a file'],
] as const)('%j is refused in one line', (args, message) => {
  expect(() => read(...args)).toThrow(message);
  expect(() => read(...args)).toThrow(/^[^\n]+$/);
});

test('broken and empty files', () => {
  expect(() => read('--config', join(folder, 'broken.json'))).toThrow('is not JSON');
  expect(() => read('--data', join(folder, 'empty.jsonl'))).toThrow('is empty');
});

test('--out is needed, except for --check', () => {
  expect(() => readArguments([])).toThrow('--out DIR is missing');
  expect(readArguments(['--check'])).toMatchObject({ check: true, out: null });
});

test('flags win over --config, --set over flags', () => {
  const args = ['--config', join(folder, 'config.json'), '--backend', 'webgpu', '--set', 'backend=wasm'];
  const { config, model } = read(...args, '--set', 'seed=7', '--model', 'owner/name');
  expect(config).toEqual({
    ...DEFAULT_CONFIG,
    seed: 7,
    backend: 'wasm',
    model: 'owner/name',
    dpo: { ...DEFAULT_CONFIG.dpo, beta: 0.3 },
  });
  expect(model).toEqual({ kind: 'hub', name: 'owner/name' });
});

test('data.onBadRow decides whether a bad row stops the run', async () => {
  const path = join(folder, 'good.jsonl');
  expect((await loadDataset(path, DEFAULT_CONFIG)).dataset.refused).toHaveLength(1);
  const strict = { ...DEFAULT_CONFIG, data: { ...DEFAULT_CONFIG.data, onBadRow: 'stop' as const } };
  await expect(loadDataset(path, strict)).rejects.toThrow(/good\.jsonl: line 2/);
});

test('a file of an unknown format needs --map, and --check says what was read', async () => {
  const path = join(folder, 'own.csv');
  writeFileSync(path, 'ask,say\nWhat?,That.\nWhat?,That.\nWho?,\n');
  await expect(loadDataset(path, DEFAULT_CONFIG)).rejects.toThrow(
    /the columns are ask, say; .*: --map prompt=COLUMN,target=COLUMN/,
  );
  const { mapping } = read('--data', path, '--map', 'prompt=ask, target=say');
  const data = await loadDataset(path, DEFAULT_CONFIG, mapping);
  expect(data.dataset.rows).toEqual([
    { prompt: 'What?', target: 'That.', line: 2 },
    { prompt: 'Who?', line: 4 },
  ]);
  expect(dataText(data).split('\n')).toEqual([
    'Data: columns chosen by hand in csv',
    'Rows in the file: 2 good, 1 without a target (for evaluation only); 0 refused; 1 exact duplicates, left out',
    '  line 3: the same as line 2',
  ]);
  for (const bad of ['ask', 'target=say', 'prompt=', 'promt=ask']) {
    expect(() => read('--data', path, '--map', bad)).toThrow(`--map ${bad}: `);
  }
});

test('no path leads out of a served folder', () => {
  expect(inside('/a/b', 'c/d.json')).toBe('/a/b/c/d.json');
  for (const path of ['../x', 'c/../../x', '..', '', 'c\0']) expect(inside('/a/b', path)).toBeNull();
});

test('the progress line', () => {
  const progress = { stage: 'sft', done: 12, total: 60, unit: 'steps', rate: 3.21, secondsLeft: 15 } as const;
  expect(progressText({ ...progress, figures: { loss: 1.2345, tokensPerSecond: 4100 } })).toBe(
    'sft       12/60 steps  3.21/s  0:15 left  loss 1.23  tokens/s 4100',
  );
  expect([duration(7), duration(3723), short(0.1234), short(12.34)]).toEqual([
    '0:07',
    '1:02:03',
    '0.123',
    '12.3',
  ]);
});
