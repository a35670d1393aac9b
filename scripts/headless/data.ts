/** Reads the data by the app's own reader, so that a bad file is told of before a browser starts. */
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defaultLabData } from '../../src/lab/default-data.ts';
import type { RunConfig } from '../../src/pipeline/config.ts';
import { readDataset, readDatasetFile } from '../../src/pipeline/dataset.ts';
import {
  type DataFile,
  type DataPreview,
  fileOf,
  formatTitle,
  type Mapping,
  previewData,
  UnknownFormatError,
} from '../../src/pipeline/import/index.ts';
import type { Dataset } from '../../src/pipeline/types.ts';
import { UsageError } from './fail.ts';

/** The embedded data: its own held-out split is looked at last, so it is what a run is judged by. */
const EMBEDDED = new URL('../../public/datasets/word-helper/', import.meta.url);

const EMBEDDED_NAME = 'word-helper';

/** Duplicates listed one by one; the rest are counted. */
const LISTED = 5;

export interface LoadedData {
  readonly dataset: Dataset;
  /** What the file was taken for; null for the embedded data. */
  readonly preview: DataPreview | null;
}

/**
 * The data set in `path`, or the embedded one.
 *
 * @throws UsageError where nothing in it can be used, or where a row is bad and the settings say to stop
 */
export async function loadDataset(
  path: string | null,
  config: RunConfig,
  mapping?: Mapping,
): Promise<LoadedData> {
  if (path !== null) return await loadFile('--data', path, config, mapping);
  const heldOut = await embedded('test.jsonl');
  return {
    dataset: await readDataset(EMBEDDED_NAME, await embedded('train.jsonl'), { heldOut }),
    preview: null,
  };
}

export interface LoadedLabData extends LoadedData {
  /** Answers of other models; null where there are none. */
  readonly imported: Dataset | null;
}

/**
 * The same for a lab: the embedded data have a final split, rejected answers and another model's answers as well.
 *
 * @param importedPath a file of other models' answers, which wins over the embedded ones
 * @throws UsageError as loadDataset, for either file
 */
export async function loadLabData(
  path: string | null,
  importedPath: string | null,
  config: RunConfig,
  mapping?: Mapping,
): Promise<LoadedLabData> {
  const own = importedPath === null ? null : (await loadFile('--imported', importedPath, config)).dataset;
  if (path !== null) return { ...(await loadFile('--data', path, config, mapping)), imported: own };
  const { dataset, imported } = await defaultLabData(EMBEDDED_NAME, {
    train: await embedded('train.jsonl'),
    test: await embedded('test.jsonl'),
    final: await embedded('final.jsonl'),
    others: await embedded('others.jsonl'),
  });
  return { dataset, imported: own ?? imported, preview: null };
}

const embedded = (name: string) => readFile(fileURLToPath(new URL(name, EMBEDDED)), 'utf8');

async function loadFile(
  option: string,
  path: string,
  config: RunConfig,
  mapping?: Mapping,
): Promise<LoadedData> {
  const handle = await open(path).catch((error: unknown) => {
    throw new UsageError(`${option} ${path}: ${error instanceof Error ? error.message : String(error)}`);
  });
  try {
    const file = await diskFile(handle, basename(path));
    const preview = await previewData(file, { mapping });
    return { dataset: await readDatasetFile(file, { onBadRow: config.data.onBadRow, mapping }), preview };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const isUnknown = option === '--data' && error instanceof UnknownFormatError;
    const advice = isUnknown ? ': --map prompt=COLUMN,target=COLUMN' : '';
    throw new UsageError(`${option} ${path}: ${message.replace(/\s*\n\s*/g, '; ')}${advice}`);
  } finally {
    await handle.close();
  }
}

/** A file on the disk, read piece by piece. */
async function diskFile(handle: FileHandle, name: string): Promise<DataFile> {
  const { size } = await handle.stat();
  return fileOf(name, size, async (start, end) => {
    const bytes = new Uint8Array(end - start);
    let length = 0;
    while (length < bytes.length) {
      const { bytesRead } = await handle.read(bytes, length, bytes.length - length, start + length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return bytes.subarray(0, length);
  });
}

/** Reads `--map prompt=question,target=answer`. Throws UsageError. */
export function readMapping(text: string): Mapping {
  const columns = new Map<string, string>();
  for (const part of text.split(',')) {
    const at = part.indexOf('=');
    const [role, column] = [part.slice(0, at).trim(), part.slice(at + 1).trim()];
    if (at < 1 || column === '' || !['prompt', 'target', 'rejected', 'system'].includes(role)) {
      throw new UsageError(
        `--map ${text}: expected prompt=COLUMN, and perhaps target=, rejected= and system=, with commas between`,
      );
    }
    columns.set(role, column);
  }
  const prompt = columns.get('prompt');
  if (prompt === undefined) throw new UsageError(`--map ${text}: prompt=COLUMN is missing`);
  const [target, rejected, system] = ['target', 'rejected', 'system'].map((role) => columns.get(role));
  return { prompt, ...(target && { target }), ...(rejected && { rejected }), ...(system && { system }) };
}

/** What --check says of the file itself. */
export function dataText({ dataset, preview }: LoadedData): string {
  const { rows, duplicates = [] } = dataset;
  const kinds: readonly [number, string][] = [
    [rows.filter(({ target }) => target === undefined).length, 'without a target (for evaluation only)'],
    [rows.filter(({ history }) => history !== undefined).length, 'with earlier turns'],
    [rows.filter(({ rejected }) => rejected !== undefined).length, 'with rejected answers'],
    [rows.filter(({ grader }) => grader !== undefined).length, 'with a grader'],
  ];
  const told = kinds.filter(([n]) => n > 0).map(([n, what]) => `, ${n} ${what}`);
  const format = preview?.format ? formatTitle(preview.format) : 'the embedded data';
  const container = preview === null ? '' : ` in ${preview.container}${preview.gzip ? ', gzip' : ''}`;
  const lines = [
    `Data: ${format}${container}`,
    ...(preview?.notes ?? []).map((note) => `  ${note}`),
    `Rows in the file: ${rows.length} good${told.join('')}; ` +
      `${dataset.refused.length} refused; ${duplicates.length} exact duplicates, left out`,
    ...duplicates.slice(0, LISTED).map(({ line, reason }) => `  line ${line}: ${reason}`),
  ];
  if (duplicates.length > LISTED) lines.push(`  ... and ${duplicates.length - LISTED} more`);
  return lines.join('\n');
}
