/** The data that a lab is made on, other models' answers to them, and what the plans need to know of both. */
import { answersAPrompt, importedAnswers, importedText } from '../../lab/imported.ts';
import { labConfig, type PlanFacts } from '../../lab/plans.ts';
import type { RunConfig } from '../../pipeline/config.ts';
import { isFinal } from '../../pipeline/prepare.ts';
import type { DataRow } from '../../pipeline/types.ts';
import { callback } from '../client.ts';
import { callData } from '../data-client.ts';
import { inMemory, type OpenData, stored } from '../dataset.ts';
import { EXAMPLE_NAME, exampleLabData } from '../example.ts';
import { host } from '../host.ts';
import type { Draft, ImportedFile } from '../lab/draft.ts';
import { problemOf } from '../problems.ts';
import { config } from '../settings.ts';
import { activity, problem, records } from '../signals.ts';
import { askFiles } from './pick.ts';

export interface LabData {
  readonly data: OpenData;
  /** Answers of another model that come with the data; null where none do. */
  readonly imported: OpenData | null;
}

/** The embedded data set did not come from a file, whatever a file is called. */
const isExample = ({ info }: OpenData): boolean => info.name === EXAMPLE_NAME && info.format === undefined;

/** Settings that a new lab starts from: the shown run's, with what the plans and the example ask for. */
export function labSettings(): RunConfig {
  const shown = records.value.dataset;
  return labConfig(config.value, shown === null || isExample(shown));
}

/** The data of the shown run; for the example what a lab needs beside it: rejected answers and a final split. */
export async function labData(): Promise<LabData> {
  const shown = records.value.dataset;
  if (shown !== null && !isExample(shown)) return { data: shown, imported: null };
  const { dataset, imported } = await exampleLabData();
  return { data: inMemory(dataset), imported: inMemory(imported) };
}

/** Rows read from storage at once. */
const PAGE = 2000;

async function allRows({ info, unstored }: Pick<OpenData, 'info' | 'unstored'>): Promise<readonly DataRow[]> {
  if (unstored !== null) return unstored.rows;
  const data = await host.data();
  const rows: DataRow[] = [];
  for (let from = 0; from < info.counts.rows; from += PAGE)
    rows.push(...(await data.rows(info.id, 'rows', from, from + PAGE)));
  return rows;
}

/** What the form needs to know of the data. */
export interface LabFacts extends PlanFacts {
  /** Held-out prompts that the data themselves keep for a last look. */
  readonly final: number;
}

/** What the plans need to know; null where the data could not be read, which the banner then explains. */
export async function labFacts(): Promise<LabFacts | null> {
  try {
    const { data, imported } = await labData();
    const hasRejected = data.info.counts.withRejected > 0;
    const final = data.unstored?.heldOut?.filter(isFinal).length ?? 0;
    if (imported === null) return { hasRejected, final, imported: 0 };
    const [theirs, rows] = [await allRows(imported), await allRows(data)];
    return { hasRejected, final, imported: answersAPrompt(importedAnswers(theirs, rows)) };
  } catch (error) {
    problem.value = problemOf('The data could not be read', error, 'Nothing was changed.');
    return null;
  }
}

/** The stored data set of other models' answers that a draft asks for. */
export async function importedFor({ imported }: Draft): Promise<string> {
  if (imported !== null) return imported.id;
  const { imported: own } = await labData();
  if (own === null) throw new Error('There is no file of other models’ answers yet.');
  return stored(own);
}

/** Asks for a file of other models' answers and reads it against the lab's data. */
export async function pickImported(): Promise<ImportedFile | null> {
  if (activity.value !== 'idle') return null;
  const [file] = await askFiles({ accept: '.jsonl,.ndjson,.json,.csv,.tsv,.parquet,.gz' });
  if (file === undefined) return null;
  const id = crypto.randomUUID();
  activity.value = 'importing';
  try {
    const info = await callData((api) =>
      api.importFiles(
        { id, sources: [{ file }] },
        callback(() => undefined),
      ),
    );
    const theirs = await allRows({ info, unstored: null });
    const { data } = await labData();
    const found = importedAnswers(theirs, await allRows(data));
    const answers = answersAPrompt(found);
    if (answers === 0)
      throw new Error(
        'it has no answer to any of the lab’s prompts; rows need the same prompt and one answer or more',
      );
    return { id: info.id, name: file.name, answers, notes: importedText(found) };
  } catch (error) {
    await (await host.data()).remove(id).catch(() => undefined);
    problem.value = problemOf(`${file.name} could not be read`, error, 'Nothing was changed.');
    return null;
  } finally {
    activity.value = 'idle';
  }
}
