/** Rows cut to what a screen shows: a record may be megabytes long, and the page must not hold it. */
import type { DataRow } from '../pipeline/types.ts';

const SHOWN = 2000;

export function shortText(text: string): string {
  return text.length > SHOWN ? `${text.slice(0, SHOWN)} … (${text.length} characters)` : text;
}

/** The record in JSON, one field a line; texts within are cut first, so that no field hides the others. */
export function shortRecord(value: unknown): string {
  const cut = (_key: string, each: unknown): unknown => {
    if (typeof each === 'bigint') return String(each);
    if (typeof each === 'string' && each.length > 200) return `${each.slice(0, 200)} …`;
    if (Array.isArray(each) && each.length > 8) return [...each.slice(0, 8), `… ${each.length - 8} more`];
    return each;
  };
  return shortText(JSON.stringify(value, cut, 2) ?? String(value));
}

export function shortRow({ prompt, target, history, rejected, ...rest }: DataRow): DataRow {
  return {
    ...rest,
    prompt: shortText(prompt),
    ...(target !== undefined && { target: shortText(target) }),
    ...(history !== undefined && {
      history: history.map((turn) => ({ ...turn, content: shortText(turn.content) })),
    }),
    ...(rejected !== undefined && { rejected: rejected.map(shortText) }),
  };
}
