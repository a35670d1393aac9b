/**
 * A project file: runs with all their records, the data sets they use and the models the user stored, in one zip.
 *
 *   runs/1/runs.jsonl         the run itself: name, notes, settings, state of its stages, report
 *   runs/1/responses.jsonl    one line a record: {"key": …, "value": …}, as in the browser's storage
 *   runs/1/checkpoints.jsonl  adapters and optimiser states; the numbers themselves are in
 *   runs/1/checkpoints.bin    little-endian float32, where the lines say
 *   datasets/1/…              likewise
 *   models/1/models.jsonl     the list of files, and under models/1/files/ the files as they are
 *   (labs are not part of it: what they found out is in their reports)
 *   project.json              what is in the file, with the length and SHA-256 of every other entry; written last
 *
 * codec.ts says how lines are written. `version` is that of this layout, `schema` that of the records: files with an
 * older schema go through the same migrations as an old database.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import * as v from 'valibot';
import { InputError } from '../../model/text.ts';
import type { Kind } from './records.ts';

/** A project file that cannot be read or written, in words for the reader. */
export class ProjectError extends InputError {
  override name = 'ProjectError';
}

export const FORMAT = 'self-contrast project';
export const LAYOUT = 1;
export const INDEX = 'project.json';

export const FOLDER: Readonly<Record<Kind, string>> = { run: 'runs', dataset: 'datasets', model: 'models' };

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const id = v.pipe(v.string(), v.nonEmpty(), v.maxLength(300));

const fileSchema = v.object({
  path: v.pipe(v.string(), v.nonEmpty(), v.maxLength(1000)),
  bytes: count,
  sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
});

const ownerSchema = v.pipe(
  v.object({
    kind: v.picklist(['run', 'dataset', 'model']),
    id,
    name: v.string(),
    /** Path of its folder, without a slash at the end. */
    folder: v.pipe(v.string(), v.regex(/^(runs|datasets|models)\/[1-9]\d{0,5}$/)),
    /** Paths are those in the zip file. */
    files: v.array(fileSchema),
  }),
  // An id with a slash is that of a lab's piece: no file may write into one.
  v.check((owner) => owner.kind === 'model' || !owner.id.includes('/'), 'The id has a slash in it'),
);

const indexSchema = v.object({
  format: v.literal(FORMAT),
  version: v.pipe(v.number(), v.integer(), v.minValue(1)),
  schema: v.pipe(v.number(), v.integer(), v.minValue(1)),
  created: v.string(),
  /** All object stores of that schema, also those that have no record here. */
  stores: v.array(v.pipe(v.string(), v.regex(/^[\w-]{1,60}$/))),
  owners: v.array(ownerSchema),
});

export type ProjectOwner = v.InferOutput<typeof ownerSchema>;
export type ProjectIndex = v.InferOutput<typeof indexSchema>;

/**
 * @param schema the newest schema that can be read
 * @throws ProjectError
 */
export function parseIndex(text: string, schema: number): ProjectIndex {
  const parsed = v.safeParse(indexSchema, parseJson(text));
  if (!parsed.success) {
    const [problem] = parsed.issues;
    const where = v.getDotPath(problem) ?? INDEX;
    throw new ProjectError(`This is not a project file of this page: ${where}: ${problem.message}`);
  }
  const index = parsed.output;
  if (index.version > LAYOUT || index.schema > schema) {
    throw new ProjectError(
      `The file was written by a newer version of this page (layout ${index.version}, schema ${index.schema}). Reload the page to get the newest version.`,
    );
  }
  return index;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ProjectError(`This is not a project file of this page: ${INDEX} is not JSON`, { cause: error });
  }
}

/** What an owner's records are, wherever they are stored: equal exactly where all its files are. */
export function fingerprintOf({ folder, files }: Pick<ProjectOwner, 'folder' | 'files'>): string {
  const lines = files.map((file) => `${file.path.slice(folder.length)} ${file.bytes} ${file.sha256}`).sort();
  return bytesToHex(sha256(utf8ToBytes(lines.join('\n'))));
}
