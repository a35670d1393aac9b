/** What is known of rows without holding them: counts and lengths. Pure. */
import type { DataRow, Dataset, DatasetCounts, PreparedData, PreparedInfo, TokenizedRow } from './types.ts';

export const NO_COUNTS: DatasetCounts = {
  rows: 0,
  heldOut: 0,
  refused: 0,
  duplicates: 0,
  promptOnly: 0,
  withRejected: 0,
  multiTurn: 0,
};

/** How many of the rows only ask, bring rejected answers, or have turns before the prompt. */
export function kindsOf(
  rows: readonly DataRow[],
): Pick<DatasetCounts, 'promptOnly' | 'withRejected' | 'multiTurn'> {
  let [promptOnly, withRejected, multiTurn] = [0, 0, 0];
  for (const { target, rejected, history } of rows) {
    if (target === undefined) promptOnly++;
    if (rejected !== undefined && rejected.length > 0) withRejected++;
    if (history?.some(({ role }) => role !== 'system') === true) multiTurn++;
  }
  return { promptOnly, withRejected, multiTurn };
}

export function countsOf({ rows, heldOut, refused, duplicates }: Omit<Dataset, 'id'>): DatasetCounts {
  return {
    rows: rows.length,
    heldOut: heldOut?.length ?? 0,
    refused: refused.length,
    duplicates: duplicates?.length ?? 0,
    ...kindsOf(rows),
  };
}

/** Prompt and target of a training row, in tokens. */
export function tokensOf({ promptIds, targetIds }: TokenizedRow): number {
  return promptIds.length + targetIds.length;
}

/** What the page shows of prepared data before it reads a row. */
export function describePrepared({ train, heldOut, refused }: PreparedData): PreparedInfo {
  const rows = new Map<number, number>();
  for (const row of train) rows.set(tokensOf(row), (rows.get(tokensOf(row)) ?? 0) + 1);
  return {
    train: train.length,
    heldOut: heldOut.length,
    refused: refused.length,
    lengths: [...rows].sort(([a], [b]) => a - b),
  };
}
