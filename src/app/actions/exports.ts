/** A run in other tools' formats, and answers to benchmark files, as downloads. One at a time. */
import { signal } from '@preact/signals';
import type { Arm } from '../../pipeline/types.ts';
import type { AnswerOptions, ExportFile, ExportFormat } from '../../pipeline/worker-api.ts';
import { callback, callWorker, workerRuns } from '../client.ts';
import { count, bytes as inBytes } from '../format.ts';
import { problemOf } from '../problems.ts';
import { problem, said, view } from '../signals.ts';
import { save, slug } from './download.ts';
import { askFiles } from './pick.ts';

/** The export under way: its name and the share done; null while there is none. */
export const exporting = signal<{ readonly what: string; readonly share: number } | null>(null);

let cancelled = false;

/** These say the same whichever model is chosen. */
const OF_THE_DATA: ReadonlySet<ExportFormat> = new Set(['trl', 'llama-factory', 'parquet', 'cluster']);
const FILE_NAME: Readonly<Record<Arm, string>> = { base: 'base', sft: 'sft', selfContrast: 'self-contrast' };

/** Several files are one zip; a single one is saved as it is. */
export async function downloadFormat(format: ExportFormat, arm: Arm, what: string): Promise<void> {
  await during(what, async (id) => {
    const { ZipWriter } = await import('../../storage/project/zip-writer.ts');
    const zip = new ZipWriter();
    const written: string[] = [];
    let last: ExportFile | null = null;
    const onFile = callback(async (file: ExportFile) => {
      written.push(file.path);
      last = file;
      // Weights do not get smaller.
      await zip.write(file.path, once(file.bytes), !/\.(jsonl?|md|py|ya?ml|txt)$/.test(file.path));
    });
    await callWorker((api) => api.exportAs(id, format, arm, onFile, callback(onShare(what))));
    const whole = zip.finish();
    const [path] = written;
    if (path !== undefined && written.length === 1)
      save(nameOf(path), [bytesOf(last)], 'application/octet-stream');
    else {
      const whose = OF_THE_DATA.has(format) ? '' : `${FILE_NAME[arm]}-`;
      save(`${slug()}-${whose}${format}.zip`, [whole], 'application/zip');
    }
    return `${what}: ${inBytes(whole.size)}.`;
  });
}

const nameOf = (path: string): string => path.split('/').at(-1) ?? path;

const bytesOf = (file: ExportFile | null): Uint8Array<ArrayBuffer> => Uint8Array.from(file?.bytes ?? []);

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** Asks for a benchmark's prompt file and saves its answer file. */
export async function answerFile(options: AnswerOptions): Promise<void> {
  const [file] = await askFiles({ accept: '.jsonl,.json' });
  if (file === undefined) return;
  const what = `Answers to ${file.name}`;
  await during(what, async (id) => {
    const text = await file.text();
    const {
      file: answered,
      answers,
      tooLong,
    } = await callWorker((api) => api.answer(id, text, options, callback(onShare(what))));
    save(answered.path, [Uint8Array.from(answered.bytes)], 'application/json');
    const empty = tooLong === 0 ? '' : ` ${count(tooLong)} did not fit the model's context and are empty.`;
    return `${count(answers)} answers to ${file.name}.${empty}`;
  });
}

/** A share can arrive after the end that it leads to. */
const onShare = (what: string) => (share: number) => {
  if (exporting.value?.what === what) exporting.value = { what, share };
};

async function during(what: string, work: (runId: string) => Promise<string>): Promise<void> {
  const id = view.value.manifest?.id;
  if (id === undefined || exporting.value !== null) return;
  cancelled = false;
  exporting.value = { what, share: 0 };
  try {
    said.value = await work(id);
  } catch (error) {
    if (cancelled) said.value = `${what}: stopped.`;
    else problem.value = problemOf(`${what} could not be written`, error, 'The run is stored as it was.');
  } finally {
    exporting.value = null;
  }
}

export async function cancelExport(): Promise<void> {
  cancelled = true;
  if (workerRuns()) await callWorker((api) => api.stop());
}
