/** The user's own prompts and models: picked or dropped. */
import { visible } from '../../model/text.ts';
import { host } from '../host.ts';
import { contentMark } from '../mark.ts';
import { problemOf } from '../problems.ts';
import { config } from '../settings.ts';
import { busy, problem, said, selected, view } from '../signals.ts';
import { takeAdapter } from './adapter.ts';
import { edit } from './edits.ts';
import { useData } from './import-data.ts';
import { askFiles } from './pick.ts';
import { importRuns, isProject } from './project.ts';
import { openRuns } from './runs.ts';
import { measureStorage } from './space.ts';

/** What the picker offers; a dropped file is looked into whatever its name. */
const DATA_FILES = '.jsonl,.ndjson,.json,.csv,.tsv,.txt,.parquet,.gz';

export async function pickDataset(): Promise<void> {
  await useData(await askFiles({ accept: DATA_FILES, multiple: true }));
}

export async function pickModel(): Promise<void> {
  const files = await askFiles({ folder: true });
  if (files.length > 0) await useModel(files);
}

/** Whatever was dropped: a project, an adapter, a folder or files with a config.json are a model, any other file is data. */
export async function dropFiles(transfer: DataTransfer): Promise<void> {
  if (busy.value) {
    said.value = 'Pause the run before using other files.';
    return;
  }
  const entries = [...transfer.items].flatMap((item) => item.webkitGetAsEntry() ?? []);
  const plain = [...transfer.files];
  const files = entries.some((entry) => entry.isDirectory)
    ? (await Promise.all(entries.map(walk))).flat()
    : plain;
  const [first] = files;
  if (files.length === 1 && first !== undefined && (await isProject(first))) {
    openRuns();
    return await importRuns(first);
  }
  if (await takeAdapter(files)) return;
  if (files.some((file) => file.name === 'config.json')) return await useModel(files);
  await useData(files);
}

async function walk(entry: FileSystemEntry): Promise<File[]> {
  if (entry instanceof FileSystemFileEntry) {
    return [await new Promise<File>((resolve, reject) => entry.file(resolve, reject))];
  }
  if (!(entry instanceof FileSystemDirectoryEntry)) return [];
  const reader = entry.createReader();
  const files: File[] = [];
  for (;;) {
    // Chrome hands out at most 100 entries a call.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (some.length === 0) return files;
    files.push(...(await Promise.all(some.map(walk))).flat());
  }
}

const NEEDED = ['config.json', 'tokenizer.json', 'model.safetensors'];

/** Copies a model folder into the browser's storage and sets the run to use it. */
export async function useModel(files: readonly File[]): Promise<void> {
  if (busy.value) return;
  const root = files.find((file) => file.name === 'config.json')?.webkitRelativePath.split('/')[0];
  const name = root === undefined || root === '' ? 'my-model' : visible(root);
  const missing = NEEDED.filter((need) => !files.some((file) => file.name === need));
  // A sharded model has an index in place of the one file.
  const sharded = files.some((file) => file.name === 'model.safetensors.index.json');
  if (missing.length > 0 && !(sharded && missing.length === 1 && missing[0] === 'model.safetensors')) {
    problem.value = {
      title: `The folder lacks ${missing.join(', ')}`,
      safe: 'Nothing was changed.',
      advice:
        'Choose a folder in Hugging Face layout with config.json, tokenizer.json and model.safetensors.',
      details: files
        .map((file) => file.name)
        .slice(0, 50)
        .join('\n'),
    };
    return;
  }
  try {
    said.value = `Copying ${name}.`;
    const model = await host.saveModelFolder(`${name} ${await contentMark(files)}`, files);
    edit({ ...config.value, model });
    selected.value = 'model';
    view.value = { ...view.value, model: null };
    said.value = `${name} is stored on this device.`;
    await measureStorage();
  } catch (error) {
    problem.value = problemOf(
      `The model ${name} could not be stored`,
      error,
      'The run uses the model it had.',
    );
  }
}
