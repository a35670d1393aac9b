/** Zip files, and the projects that come in them. */

import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { zipSync } from 'fflate';
import { arraySource, Zip, ZipError } from '../../src/model/zip.ts';
import { INDEX, ProjectError } from '../../src/storage/project/format.ts';
import { openProject, readRecords, storesIn, verify } from '../../src/storage/project/reader.ts';
import { checkRecord } from '../../src/storage/project/records-check.ts';
import { fuzz } from './fuzz.ts';
import { bytesLike, encode, jsonLike } from './inputs.ts';

const plain = zipSync({
  'a.txt': encode('hello '.repeat(100)),
  'folder/b.bin': [new Uint8Array(300).map((_, i) => i), { level: 0 }],
  'ü.json': encode('{}'),
});

/** Inflates every entry and holds names and sizes to what a reader may rely on. */
async function readAll(bytes: Uint8Array): Promise<void> {
  const zip = await Zip.open(arraySource(bytes), { totalBytes: 2 ** 28 });
  for (const [path, { size }] of zip.entries) {
    if (/^[/\\]|(^|\/)\.\.?(\/|$)|\0|\\/.test(path))
      throw new Error(`it took the name ${JSON.stringify(path)}`);
    let read = 0;
    for await (const chunk of zip.chunks(path)) read += chunk.length;
    if (read !== size) throw new Error(`${path}: ${read} bytes, not ${size}`);
  }
}

fuzz('zip files', {
  inputs: bytesLike(plain, zipSync({ 'x/y/z.txt': encode('z') })),
  read: readAll,
  errors: [ZipError],
  examples: [
    zipSync({ '../../etc/passwd': encode('x') }),
    zipSync({ '/etc/passwd': encode('x') }),
    zipSync({ 'a\\..\\b': encode('x') }),
    zipSync({ 'C:/x': encode('x') }),
    zipSync({ 'nul\0.txt': encode('x') }),
    zipSync({ 'a/./b': encode('x') }),
    zipSync({ bomb: new Uint8Array(200_000_000) }, { level: 9 }),
    zipSync(Object.fromEntries(Array.from({ length: 25_000 }, (_, i) => [`f${i}`, new Uint8Array()]))),
  ],
  milliseconds: 8000,
});

const RUN = {
  id: 'r',
  name: 'n',
  created: 1,
  datasetId: 'd',
  config: {},
  stages: {
    model: 'done',
    data: 'done',
    sft: 'waiting',
    sample: 'waiting',
    filter: 'waiting',
    dpo: 'waiting',
    evaluate: 'waiting',
  },
  seconds: {},
};
const RECORDS: Readonly<Record<string, string>> = {
  'runs/1/runs.jsonl': JSON.stringify({ key: 'r', value: RUN }),
  'runs/1/checkpoints.jsonl': JSON.stringify({
    key: ['r', 'sft'],
    value: {
      stage: 'sft',
      step: 1,
      totalSteps: 2,
      state: { step: 1, parameters: [{ $bytes: ['Float32Array', 0, 16] }], m: [], v: [] },
      odd: { $object: [['$a', { $number: 'NaN' }]] },
    },
  }),
};
const binary = new Uint8Array(16);

/** A whole project whose index fits its files, whatever is in them. */
function project(files: Readonly<Record<string, Uint8Array>>, index?: string): Uint8Array {
  const listed = Object.entries(files).map(([path, bytes]) => ({
    path,
    bytes: bytes.length,
    sha256: bytesToHex(sha256(bytes)),
  }));
  const owners = [{ kind: 'run', id: 'r', name: 'n', folder: 'runs/1', files: listed }];
  const stores = ['runs', 'checkpoints'];
  const text =
    index ??
    JSON.stringify({
      format: 'self-contrast project',
      version: 1,
      schema: 1,
      created: '2026',
      stores,
      owners,
    });
  return zipSync({ ...files, [INDEX]: encode(text) }, { level: 0 });
}
const files = (records: Readonly<Record<string, string>>) => ({
  ...Object.fromEntries(Object.entries(records).map(([path, text]) => [path, encode(text)])),
  'runs/1/checkpoints.bin': binary,
});

async function readProject(bytes: Uint8Array): Promise<void> {
  const { signal } = new AbortController();
  const open = await openProject(new Blob([bytes.slice()]), 99);
  await verify(open, signal, () => {});
  for (const owner of open.index.owners) {
    for (const store of storesIn(owner)) {
      for await (const record of readRecords(open.zip, owner, store, signal, () => {})) {
        checkRecord(record.store, record.value, owner.folder);
      }
    }
  }
}

fuzz('project files: bytes', {
  inputs: bytesLike(project(files(RECORDS))),
  read: readProject,
  errors: [ProjectError],
});

const GOOD_INDEX = new TextDecoder().decode(
  await (await Zip.open(arraySource(project(files(RECORDS))))).bytes(INDEX, 1e6),
);
fuzz('project files: the index', {
  inputs: jsonLike(GOOD_INDEX).map((index) => project(files(RECORDS), index)),
  read: readProject,
  errors: [ProjectError],
});

const [RUNS = '', CHECKPOINTS = ''] = Object.values(RECORDS);
fuzz('project files: records', {
  inputs: jsonLike(RUNS, CHECKPOINTS).map((text) =>
    project(
      files({
        ...RECORDS,
        [text.includes('Float32Array') ? 'runs/1/checkpoints.jsonl' : 'runs/1/runs.jsonl']: text,
      }),
    ),
  ),
  read: readProject,
  errors: [ProjectError],
});
