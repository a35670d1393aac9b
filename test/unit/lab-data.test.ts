/** The data that a lab works with: its three splits, rejected answers, and answers of other models. */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ask } from '../../scripts/default/questions.ts';
import { Rng } from '../../scripts/default/rng.ts';
import { splitsOf } from '../../scripts/default/splits.ts';
import { loadLabData } from '../../scripts/headless/data.ts';
import { UsageError } from '../../scripts/headless/fail.ts';
import { answersAPrompt, importedAnswers, importedText } from '../../src/lab/imported.ts';
import { splitHeldOut } from '../../src/lab/split.ts';
import { defaultConfig } from '../../src/pipeline/config.ts';
import { makeDataset, readDataset, readRows } from '../../src/pipeline/dataset.ts';
import { grade } from '../../src/pipeline/grade.ts';
import { bytesFile } from '../../src/pipeline/import/index.ts';
import { promptKey, splitHeldOut as splitRun, withoutFinal } from '../../src/pipeline/prepare.ts';
import type { DataRow } from '../../src/pipeline/types.ts';

const stored = (name: string) =>
  readFileSync(new URL(`../../public/datasets/word-helper/${name}.jsonl`, import.meta.url), 'utf8');

describe('the embedded data', () => {
  test('the four files are what their script makes, and no question is in two of them', () => {
    const seen = new Map<string, string>();
    const prompts = new Map<string, string>();
    for (const { name, rows } of splitsOf()) {
      const lines = rows.map(
        ({ prompt, target, grader }) => `${JSON.stringify({ prompt, target, grader })}\n`,
      );
      expect(lines.join(''), name).toBe(stored(name));
      for (const { key, prompt } of rows) {
        expect(seen.get(key) ?? name, key).toBe(name);
        expect(prompts.has(prompt), prompt).toBe(false);
        seen.set(key, name);
        prompts.set(prompt, name);
      }
    }
    expect(new Set(seen.values())).toEqual(new Set(['train', 'dev', 'test', 'final']));
  });

  test('as a lab takes them: final rows are marked, rejected answers are wrong, imported ones are many', async () => {
    const { dataset, imported } = await loadLabData(null, null, defaultConfig());
    const { working, final } = splitHeldOut(dataset.heldOut ?? [], { finalShare: 0 });
    expect([working.length, final.length]).toEqual([200, 400]);
    const plain = await readDataset('word-helper', stored('train'), { heldOut: stored('test') });
    expect(dataset.rows.map(({ rejected: _, ...row }) => row)).toEqual(plain.rows);
    expect(working).toEqual(plain.heldOut);
    const wrong = dataset.rows.flatMap(({ grader, rejected = [] }) =>
      rejected.map((text) => grader !== undefined && !grade(grader, text)),
    );
    expect(wrong.length).toBeGreaterThan(900);
    expect(wrong.every(Boolean)).toBe(true);
    const found = importedAnswers(imported?.rows ?? [], dataset.rows);
    expect(found).toMatchObject({ unknown: 0, unanswered: 0, repeated: 0 });
    expect(answersAPrompt(found)).toBeGreaterThanOrEqual(4);
  });

  test('a run of the same data set never sees the final rows', async () => {
    const { dataset } = await loadLabData(null, null, defaultConfig());
    expect(withoutFinal(dataset).heldOut).toHaveLength(200);
    const { train, heldOut } = splitRun(dataset, 50, 1);
    // For a lab, a count of held-out prompts leaves the final ones whole.
    expect([train.length, heldOut.length]).toEqual([1000, 450]);
    const same = await makeDataset(
      'd',
      dataset.rows,
      [],
      dataset.heldOut?.map(({ split: _, ...row }) => row),
    );
    expect(same.fingerprint).not.toBe(dataset.fingerprint);
  });
});

describe('a final split of data without one', () => {
  const rng = new Rng(5);
  const rows: DataRow[] = Array.from({ length: 40 }, () => ask(rng)).map(({ prompt, target }) => ({
    prompt,
    target,
  }));
  const twice = [...rows, ...rows.slice(0, 5).map(({ prompt }) => ({ prompt, target: 'another' }))];

  test('is a share of the prompts, the same in any order, and no prompt is on both sides', () => {
    const { working, final } = splitHeldOut(twice, { finalShare: 0.25 });
    const keys = (list: readonly DataRow[]) => new Set(list.map(promptKey));
    expect(keys(final).size).toBe(Math.round(0.25 * keys(rows).size));
    expect([...keys(final)].some((key) => keys(working).has(key))).toBe(false);
    expect(working.length + final.length).toBe(twice.length);
    const other = splitHeldOut(twice.toReversed(), { finalShare: 0.25 });
    expect(keys(other.final)).toEqual(keys(final));
    expect(splitHeldOut(rows, { finalShare: 0 })).toEqual({ working: rows, final: [] });
    expect(() => splitHeldOut(rows.slice(0, 1), { finalShare: 0.9 })).toThrow('which leaves none to compare');
  });

  test('a prompt that was worked with is no longer fit for the last look', () => {
    const [one, two] = [{ prompt: 'p' }, { prompt: 'q' }];
    const { working, final } = splitHeldOut([one, { ...one, split: 'final' }, { ...two, split: 'final' }], {
      finalShare: 0.5,
    });
    expect([working, final]).toEqual([[one], [{ ...two, split: 'final' }]]);
  });
});

describe('answers of other models', () => {
  const training = [
    { prompt: 'one', target: 'right' },
    { prompt: 'two', target: 'good' },
    { prompt: 'three', target: 'fine' },
    { prompt: 'asks only' },
  ];
  const read = async (...records: unknown[]) => {
    const text = records.map((record) => JSON.stringify(record)).join('\n');
    const { rows, refused } = await readRows(bytesFile(new TextEncoder().encode(text), 'answers.jsonl'));
    return { found: importedAnswers(rows, training), refused };
  };

  test('are told from targets, repeats and prompts that are not trained on', async () => {
    const { found, refused } = await read(
      { prompt: 'one', answers: ['a', ' b', 'a', 'right'] },
      { prompt: 'one', answers: ['b', 'c'] },
      { prompt: 'two', answers: [] },
      { prompt: 'elsewhere', answers: ['x'] },
      { prompt: 'asks only', answers: ['x'] },
      { prompt: 7, answers: ['x'] },
    );
    expect(found).toEqual({
      answers: new Map([['one', ['a', 'b', 'c']]]),
      unknown: 2,
      unanswered: 2,
      repeated: 1,
      targets: 1,
    });
    expect(refused).toEqual([
      expect.objectContaining({ line: 3, reason: 'answers: there is no answer' }),
      expect.objectContaining({ line: 6, reason: 'prompt: expected text, found 7' }),
    ]);
    expect(importedText(found)).toEqual([
      '3 answers of other models to 1 training prompts.',
      '2 training prompts have no answer in the file: no negatives.',
      '2 prompts of the file are not in the training data, and are left out.',
      '1 answers are blank or repeat another one, and are left out.',
      '1 answers are the prompt’s target, and are left out.',
    ]);
  });

  test('come from preferences, from responses a row, and from a run’s own responses.jsonl', async () => {
    const preferences = await read(
      { prompt: 'one', chosen: 'better', rejected: 'worse' },
      { prompt: 'two', target: 't' },
    );
    expect([...preferences.found.answers]).toEqual([['one', ['worse']]]);
    const plain = await read({ prompt: 'one', response: 'a' }, { prompt: 'one', response: 'b' });
    expect([...plain.found.answers]).toEqual([['one', ['a', 'b']]]);
    const sampled = ['a', 'b', ''].map((text, i) => ({ prompt_index: i, prompt: 'two', text, logp: -1 }));
    const own = await read(...sampled);
    expect([...own.found.answers]).toEqual([['two', ['a', 'b']]]);
    expect(own.refused).toHaveLength(1);
  });

  test('as many a prompt as nine in ten have', () => {
    const lists = (...lengths: number[]) => ({
      answers: new Map(lengths.map((length, i) => [`${i}`, Array.from({ length }, (_, j) => `${j}`)])),
    });
    expect(answersAPrompt(lists())).toBe(0);
    expect(answersAPrompt(lists(3))).toBe(3);
    expect(answersAPrompt(lists(8, 8, 8, 8, 8, 8, 8, 8, 8, 1))).toBe(8);
    expect(answersAPrompt(lists(8, 8, 8, 8, 8, 8, 8, 8, 2, 1))).toBe(2);
  });

  test('a file that is missing or has nothing is told by its option', async () => {
    const scratch = await mkdtemp(join(tmpdir(), 'self-contrast-lab-data-'));
    try {
      const missing = loadLabData(null, join(scratch, 'none.jsonl'), defaultConfig());
      await expect(missing).rejects.toThrow(UsageError);
      const empty = join(scratch, 'empty.jsonl');
      await writeFile(empty, '{"prompt": "one", "answers": [" "]}\n');
      await expect(loadLabData(null, empty, defaultConfig())).rejects.toThrow(
        `--imported ${empty}: no usable row; line 1: answers: there is no answer`,
      );
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  });
});
