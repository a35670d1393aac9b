/** Pieces of Markdown (GitHub's kind) from text that may be anything. Pure. */
import { visible } from './text.ts';

/**
 * Text in a paragraph or a table's cell: nothing in it is markup, a link, a tag or the end of the cell, and it stays
 * on its line.
 */
export function md(text: string): string {
  return visible(text)
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
    .replace(/[\\`*_{}[\]|~#$]/g, '\\$&')
    .replace(/:(?=\/\/)/g, '\\:')
    .replace(/@/g, '\\@')
    .replace(/\b(www)\./gi, '$1\\.')
    .replace(/^(\s*)([-+=]|\d+[.)])(?=\s|[-=]|$)/, (_, space: string, sign: string) =>
      sign.length > 1 ? `${space}${sign.slice(0, -1)}\\${sign.slice(-1)}` : `${space}\\${sign}`,
    )
    .replace(/\n+/g, ' ');
}

/** A table; cells are Markdown already. Columns after the first are set to the right where `numbers` says so. */
export function mdTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  numbers = true,
): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const rule = head.map((_, i) => (numbers && i > 0 ? '---:' : '---'));
  return [line(head), line(rule), ...rows.map(line)].join('\n');
}

/** Text as it was written, in a fence that is longer than any within it. */
export function mdQuote(text: string): string {
  const shown = visible(text);
  const longest = Math.max(2, ...[...shown.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}text\n${shown}\n${fence}`;
}

export const MARK = { holds: '✔', fails: '✘', unclear: '?' } as const;

/** Paragraphs; those that are empty are left out. */
export const lines = (...parts: readonly string[]): string =>
  parts.filter((part) => part !== '').join('\n\n');
