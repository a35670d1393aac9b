/** The data stage: held-out split, limit, and every row in the tokens of the run's model. */
import type { Tokenizer } from '../engine/types.ts';
import type { RunConfig } from './config.ts';
import { DataError } from './dataset.ts';
import { shuffle, stream } from '../model/random.ts';
import type { DataRow, Dataset, PreparedData, RefusedRow, TokenizedRow } from './types.ts';

/**
 * Everything that training and evaluation will see, in order. Training keeps the data set's order; which
 * prompts are held out depends on the seed and the rows alone.
 *
 * @param contextLength tokens of prompt and target that the model can hold
 * @throws DataError where no training row is left, or with onBadRow 'stop' where a row does not fit
 */
export function prepareData(
  dataset: Dataset,
  tokenizer: Tokenizer,
  contextLength: number,
  config: Pick<RunConfig, 'seed' | 'data'>,
): PreparedData {
  const { train, heldOut } = splitHeldOut(dataset, config.data.heldOut, config.seed);
  const refused: RefusedRow[] = [...dataset.refused];
  const fit = (rows: readonly DataRow[], limit: number) => {
    const kept: TokenizedRow[] = [];
    for (const row of rows) {
      if (limit > 0 && kept.length === limit) break;
      const tokenized = tokenize(row, tokenizer);
      const tokens = tokenized.promptIds.length + tokenized.targetIds.length;
      if (tokens <= contextLength) {
        kept.push(tokenized);
        continue;
      }
      const { length: prompt } = tokenized.promptIds;
      const refusal = {
        line: lineOf(dataset, row),
        reason:
          `${tokens} tokens (prompt ${prompt}, target ${tokens - prompt}) are more than ` +
          `the model's context of ${contextLength}`,
      };
      if (config.data.onBadRow === 'stop') {
        throw new DataError(`row ${refusal.line}: ${refusal.reason}`, [refusal]);
      }
      refused.push(refusal);
    }
    return kept;
  };
  const prepared = { train: fit(train, config.data.limit), heldOut: fit(heldOut, 0), refused };
  if (prepared.train.length === 0) {
    const last = refused.at(-1);
    const why = last === undefined ? '' : ` The last one refused: row ${last.line}, ${last.reason}.`;
    throw new DataError(`no row is left to train on.${why}`, refused);
  }
  return prepared;
}

/**
 * Held-out rows, chosen by prompt: rows with the same prompt text always stay on the same side.
 *
 * @param share fraction (below 1) or count of prompts; 0 is none. Rows that the data set itself holds out win
 *   over it (their prompts leave the training rows), but 0 still means none.
 * @throws DataError where nothing would be left to train on
 */
export function splitHeldOut(
  dataset: Pick<Dataset, 'rows' | 'heldOut'>,
  share: number,
  seed: number,
): { train: readonly DataRow[]; heldOut: readonly DataRow[] } {
  if (dataset.heldOut !== undefined && dataset.heldOut.length > 0) {
    const theirs = new Set(dataset.heldOut.map(({ prompt }) => prompt));
    const train = dataset.rows.filter(({ prompt }) => !theirs.has(prompt));
    if (train.length === 0) throw new DataError('every training prompt is also a held-out prompt');
    return { train, heldOut: share === 0 ? [] : dataset.heldOut };
  }
  const prompts = [...new Set(dataset.rows.map(({ prompt }) => prompt))];
  if (share === 0) return { train: dataset.rows, heldOut: [] };
  // A share that rounds to nothing still means that the user wants an evaluation.
  const count = share < 1 ? Math.max(1, Math.round(share * prompts.length)) : share;
  if (count >= prompts.length) {
    throw new DataError(
      `data.heldOut = ${share} holds out ${count} of ${prompts.length} different prompts, which leaves none to ` +
        'train on; lower it, or set it to 0 to skip the evaluation',
    );
  }
  const held = new Set(shuffle(prompts, stream(seed, 'held-out')).slice(0, count));
  return {
    train: dataset.rows.filter(({ prompt }) => !held.has(prompt)),
    heldOut: dataset.rows.filter(({ prompt }) => held.has(prompt)),
  };
}

export function tokenize(row: DataRow, tokenizer: Tokenizer): TokenizedRow {
  return {
    ...row,
    promptIds: tokenizer.renderPrompt([{ role: 'user', content: row.prompt }]).ids,
    targetIds: tokenizer.encodeTarget(row.target),
  };
}

/**
 * The row's place among the rows that were read, counted from 1, as the user's best clue: line numbers of good
 * rows are not kept. Refused rows before it are counted back in, so that for a file without blank lines it is
 * the line.
 */
function lineOf(dataset: Dataset, row: DataRow): number {
  const at = dataset.rows.indexOf(row);
  let line = (at < 0 ? (dataset.heldOut?.indexOf(row) ?? 0) : at) + 1;
  for (const { line: refused } of dataset.refused) if (refused <= line) line++;
  return line;
}
