/** The embedded data as a lab takes it: with rejected answers, and with a final split beside the working one. */
import { makeDataset, readRows } from '../pipeline/dataset.ts';
import { grade } from '../pipeline/grade.ts';
import { bytesFile, DataError } from '../pipeline/import/index.ts';
import { promptKey } from '../pipeline/prepare.ts';
import type { DataRow, Dataset } from '../pipeline/types.ts';

export const LAB_DATA_FILES = ['train', 'test', 'final', 'others'] as const;
export type LabDataFile = (typeof LAB_DATA_FILES)[number];

export interface DefaultLabData {
  /** Training rows have a rejected answer; held out are the test rows and, marked as such, the final ones. */
  readonly dataset: Dataset;
  /** Answers of another model to the training prompts, as rejected ones. */
  readonly imported: Dataset;
}

/**
 * @param texts contents of the files of public/datasets/word-helper
 * @throws DataError where one has a bad row
 */
export async function defaultLabData(
  name: string,
  texts: Readonly<Record<LabDataFile, string>>,
): Promise<DefaultLabData> {
  const read = async (file: LabDataFile) => {
    const bytes = new TextEncoder().encode(texts[file]);
    return (await readRows(bytesFile(bytes, `${file}.jsonl`), { onBadRow: 'stop' })).rows;
  };
  const [train, test, final, others] = [
    await read('train'),
    await read('test'),
    await read('final'),
    await read('others'),
  ];
  const answers = new Map(others.map((row) => [promptKey(row), row.rejected ?? []]));
  const heldOut = [...test, ...final.map((row): DataRow => ({ ...row, split: 'final' }))];
  const rows = train.map((row) => withRejected(row, answers.get(promptKey(row)) ?? []));
  return {
    dataset: await makeDataset(name, rows, [], heldOut),
    imported: await makeDataset(`${name}, answers of another model`, others),
  };
}

/** The first answer that is wrong by the grader, as a data set of preferences would have it; none where all are right. */
function withRejected(row: DataRow, answers: readonly string[]): DataRow {
  const { grader } = row;
  if (grader === undefined) throw new DataError('the embedded data has a training row without a grader');
  const wrong = answers.find((text) => !grade(grader, text));
  return wrong === undefined ? row : { ...row, rejected: [wrong] };
}

declare const TextEncoder: new () => { encode(text: string): Uint8Array };
