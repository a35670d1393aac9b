/** The data stage: held-out split, limit, and every row in the tokens of the run's model. */
import type { ChatMessage, Tokenizer } from '../engine/types.ts';
import { ChatTemplateError } from '../model/chat.ts';
import { type Random, sampleWithoutReplacement, shuffle, stream } from '../model/random.ts';
import type { RunConfig } from './config.ts';
import { DataError } from './dataset.ts';
import type {
  DataRow,
  Dataset,
  PreparedData,
  PromptRow,
  RefusedRow,
  TokenizedPrompt,
  TokenizedRow,
} from './types.ts';

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
  const lineOf = placesOf(dataset);
  /** The row in tokens, or null (and a refusal) where there is no such thing, or it does not fit. */
  const render = renderer();
  const admit = <T extends TokenizedPrompt>(row: DataRow, tokenize: () => T): T | null => {
    const tokenized = render(tokenize);
    const reason = typeof tokenized === 'string' ? tokenized : misfit(tokenized, contextLength);
    if (typeof tokenized !== 'string' && reason === null) return tokenized;
    const bad = { line: lineOf(row), reason: reason ?? '' };
    if (config.data.onBadRow === 'stop') throw new DataError(`line ${bad.line}: ${bad.reason}`, [bad]);
    refused.push(bad);
    return null;
  };
  const prepared = {
    train: limited(train, config.data.limit, stream(config.seed, 'limit'), (row) =>
      admit(row, () => tokenizeRow(row, tokenizer)),
    ),
    heldOut: heldOut.flatMap((row) => admit(row, () => tokenize(row, tokenizer)) ?? []),
    refused,
  };
  if (prepared.train.length === 0) {
    const last = refused.at(-1);
    const why = last === undefined ? '' : ` The last one refused: line ${last.line}, ${last.reason}.`;
    throw new DataError(`no row is left to train on.${why}`, refused);
  }
  return prepared;
}

/**
 * At most `limit` rows that fit (0: all), chosen at random since files are often sorted, in their own order.
 * Rows that are not needed are not looked at.
 */
function limited(
  rows: readonly TrainingRow[],
  limit: number,
  random: Random,
  admit: (row: TrainingRow) => TokenizedRow | null,
): TokenizedRow[] {
  if (limit === 0 || limit >= rows.length) return rows.flatMap((row) => admit(row) ?? []);
  const chosen: { at: number; row: TokenizedRow }[] = [];
  for (const [at, row] of shuffle([...rows.entries()], random)) {
    if (chosen.length === limit) break;
    const tokenized = admit(row);
    if (tokenized !== null) chosen.push({ at, row: tokenized });
  }
  return chosen.sort((a, b) => a.at - b.at).map(({ row }) => row);
}

/** A row with a target. */
export type TrainingRow = DataRow & { readonly target: string };

/** Whether a row is kept for a lab's last look. */
export const isFinal = ({ split }: Pick<DataRow, 'split'>): boolean => split === 'final';

/** The data set as a run sees it: without the rows that are kept for a lab's last look. */
export function withoutFinal<T extends Pick<Dataset, 'heldOut'>>(dataset: T): T {
  if (dataset.heldOut?.some(isFinal) !== true) return dataset;
  return { ...dataset, heldOut: dataset.heldOut.filter((row) => !isFinal(row)) };
}

export const isTrainingRow = (row: DataRow): row is TrainingRow => row.target !== undefined;

/** What makes two prompts the same: all that the model is shown. */
export function promptKey({ prompt, history }: PromptRow): string {
  return history === undefined || history.length === 0 ? prompt : JSON.stringify([history, prompt]);
}

/** The prompt as a conversation. */
export function promptMessages({ prompt, history = [] }: PromptRow): ChatMessage[] {
  return [...history, { role: 'user', content: prompt }];
}

/**
 * Held-out rows, chosen by prompt: rows with the same prompt always stay on the same side. Rows without a target
 * are held out beside them (unless share is 0): they can be answered, not trained on.
 *
 * @param share fraction (below 1) or count of prompts; 0 is none. Where the data set itself holds rows out,
 *   those are used: all of them for a fraction, at most so many for a count, and their prompts never train.
 *   Rows that are marked as final do not count towards it and are always among them.
 * @throws DataError where nothing would be left to train on
 */
export function splitHeldOut(
  dataset: Pick<Dataset, 'rows' | 'heldOut'>,
  share: number,
  seed: number,
): { train: readonly TrainingRow[]; heldOut: readonly DataRow[] } {
  const asked = dataset.rows.filter((row) => !isTrainingRow(row));
  // With nothing held out they are not asked either.
  const askedKeys = new Set(share === 0 ? [] : asked.map(promptKey));
  const rows = dataset.rows.filter(isTrainingRow).filter((row) => !askedKeys.has(promptKey(row)));
  if (rows.length === 0) throw new DataError('no row has a target answer, so there is nothing to train on');
  if (dataset.heldOut !== undefined && dataset.heldOut.length > 0) {
    const theirs = new Set(dataset.heldOut.map(promptKey));
    const train = rows.filter((row) => !theirs.has(promptKey(row)));
    if (train.length === 0) throw new DataError('every training prompt is also a held-out prompt');
    if (share === 0) return { train, heldOut: [] };
    const final = dataset.heldOut.filter(isFinal);
    const offered = dataset.heldOut.filter((row) => !isFinal(row));
    const count = share < 1 ? offered.length : Math.min(share, offered.length);
    const held = sampleWithoutReplacement(offered, count, stream(seed, 'held-out'));
    return { train, heldOut: [...held, ...final, ...asked] };
  }
  const prompts = [...new Set(rows.map(promptKey))];
  if (share === 0) return { train: rows, heldOut: [] };
  // A share that rounds to nothing still means that the user wants an evaluation, where there are prompts for it.
  const count =
    share < 1 ? Math.min(Math.max(1, Math.round(share * prompts.length)), prompts.length - 1) : share;
  if (count >= prompts.length) {
    throw new DataError(
      `data.heldOut = ${share} holds out ${count} of ${prompts.length} different prompts, which leaves none to ` +
        'train on; lower it, or set it to 0 to skip the evaluation',
    );
  }
  const held = new Set(shuffle(prompts, stream(seed, 'held-out')).slice(0, count));
  return {
    train: rows.filter((row) => !held.has(promptKey(row))),
    heldOut: [...rows.filter((row) => held.has(promptKey(row))), ...asked],
  };
}

function tokenize(row: DataRow, tokenizer: Tokenizer): TokenizedPrompt {
  if (isTrainingRow(row)) return tokenizeRow(row, tokenizer);
  return { ...row, promptIds: tokenizer.renderPrompt(promptMessages(row)).ids };
}

function tokenizeRow(row: TrainingRow, tokenizer: Tokenizer): TokenizedRow {
  return {
    ...row,
    promptIds: tokenizer.renderPrompt(promptMessages(row)).ids,
    targetIds: tokenizer.encodeTarget(row.target),
  };
}

/** Rows that a chat template may refuse before the first that it renders. */
const PATIENCE = 20;

/**
 * Gives a row in tokens, or why the model's chat template won't render it: some refuse a system message, or turns
 * out of order. A template that renders nothing at all is the model's fault, and its error is thrown.
 */
function renderer(): <T>(tokenize: () => T) => T | string {
  let [rendered, refused] = [0, 0];
  return (tokenize) => {
    try {
      const tokens = tokenize();
      rendered++;
      return tokens;
    } catch (error) {
      if (!(error instanceof ChatTemplateError) || (rendered === 0 && ++refused === PATIENCE)) throw error;
      return error.message;
    }
  };
}

/** Why the model can't take a row, or null where it can. */
function misfit({ promptIds, targetIds = [] }: TokenizedPrompt, contextLength: number): string | null {
  const [prompt, target] = [promptIds.length, targetIds.length];
  if (prompt === 0) return 'the prompt has no tokens';
  if (prompt + target > contextLength) {
    return `${prompt + target} tokens (prompt ${prompt}, target ${target}) are more than the model's context of ${contextLength}`;
  }
  // The answers to a prompt need room as well.
  if (target === 0 && prompt === contextLength) {
    return `the prompt fills the model's context of ${contextLength} tokens, which leaves no room to answer`;
  }
  return null;
}

/**
 * Where each row stood: its line, or for rows that do not know theirs (made up, or read by an earlier version)
 * their place among the rows, from 1.
 */
function placesOf({ rows, heldOut = [] }: Dataset): (row: DataRow) => number {
  let places: ReadonlyMap<DataRow, number> | null = null;
  return (row) => {
    if (row.line !== undefined) return row.line;
    places ??= new Map([rows, heldOut].flatMap((list) => list.map((each, i) => [each, i + 1] as const)));
    return places.get(row) ?? 0;
  };
}
