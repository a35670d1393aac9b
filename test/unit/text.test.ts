/** Text from files is only ever text: nothing unseen in messages, and no code that writes HTML. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { excerpt, InputError, visible } from '../../src/model/text.ts';
import { slugOf } from '../../src/pipeline/slug.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

test('what can not be seen, or reorders its surroundings, is shown by its code', () => {
  expect(visible('a\u202eb\u2066c\u200dd\u0000e\u001bf\u{e0041}g\ud800')).toBe(
    String.raw`a\u202eb\u2066c\u200dd\u0000e\u001bf\u{e0041}g\ud800`,
  );
  // Letters of all scripts, also those written from right to left, and emoji stay.
  for (const text of ['Grüße 漢字', 'שלום', 'مرحبا', '🙂', '<b>&amp;</b>']) expect(visible(text)).toBe(text);
});

test('excerpts and messages are bounded', () => {
  expect(excerpt('abcdef', 5)).toBe('ab...');
  expect(excerpt('\u202e'.repeat(1e6), 10)).toHaveLength(10);
  const { message } = new InputError(`${'x'.repeat(1e6)}\nwhat to do\u202e`);
  expect(message.length).toBeLessThan(1100);
  expect(message).toMatch(/^x+ \.\.\. x+\nwhat to do\\u202e$/);
  // Even where every character takes eight.
  expect(new InputError('\u{e0041}'.repeat(1e6)).message.length).toBeLessThan(2100);
});

test("a run's name in a file name has letters, digits and hyphens only, and not too many", () => {
  expect(slugOf('../../\u202egnp.exe <img src=x>')).toBe('gnp-exe-img-src-x');
  expect(slugOf('\u202e/')).toBe('run');
  expect(new TextEncoder().encode(slugOf('𠮷'.repeat(500))).length).toBeLessThan(200);
});

/** Whatever turns text into elements or code. */
const FORBIDDEN =
  /dangerouslySetInnerHTML|\.(inner|outer)HTML\b|insertAdjacentHTML|document\.write|createContextualFragment|DOMParser|\bsrcdoc\b|\beval\(|new Function\(|javascript:/;

test('no code of the page turns text into elements or code', () => {
  const files = ['src', 'workers'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((path) => /\.tsx?$/.test(path))
      .map((path) => join(ROOT, folder, path)),
  );
  expect(files.length).toBeGreaterThan(100);
  const found = files.flatMap((path) =>
    readFileSync(path, 'utf8')
      .split('\n')
      .flatMap((line, i) => (FORBIDDEN.test(line) ? [`${path}:${i + 1}: ${line.trim()}`] : [])),
  );
  expect(found).toEqual([]);
});
