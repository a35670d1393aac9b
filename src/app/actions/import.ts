/** The user's own prompts and models: picked or dropped. */
import { host } from '../host.ts';
import { contentMark } from '../mark.ts';
import { type FolderFile, type ModelFolder, modelFolder } from '../models/folder.ts';
import { problemOf } from '../problems.ts';
import { busy, problem, said } from '../signals.ts';
import { takeAdapter } from './adapter.ts';
import { useData } from './import-data.ts';
import { choose } from './models.ts';
import { askFiles } from './pick.ts';
import { importRuns, isProject } from './project.ts';
import { openRuns, openStage } from './runs.ts';
import { measureStorage } from './space.ts';

/** What the picker offers; a dropped file is looked into whatever its name. */
const DATA_FILES = '.jsonl,.ndjson,.json,.csv,.tsv,.txt,.parquet,.gz';

export async function pickDataset(): Promise<void> {
  await useData(await askFiles({ accept: DATA_FILES, multiple: true }));
}

export async function pickModel(): Promise<void> {
  const files = await askFiles({ folder: true });
  if (files.length > 0) await useModel(files.map((file) => ({ path: file.webkitRelativePath, file })));
}

/** Whatever was dropped: a project, an adapter, a folder or files with a config.json are a model, any other file is data. */
export async function dropFiles(transfer: DataTransfer): Promise<void> {
  if (busy.value) {
    said.value = 'Pause the run before using other files.';
    return;
  }
  const entries = [...transfer.items].flatMap((item) => item.webkitGetAsEntry() ?? []);
  const plain = [...transfer.files].map((file) => ({ path: file.name, file }));
  const found = entries.some((entry) => entry.isDirectory)
    ? (await Promise.all(entries.map(walk))).flat()
    : plain;
  const files = found.map(({ file }) => file);
  const [first] = files;
  if (files.length === 1 && first !== undefined && (await isProject(first))) {
    openRuns();
    return await importRuns(first);
  }
  if (await takeAdapter(files)) return;
  if (files.some((file) => file.name === 'config.json')) return await useModel(found);
  await useData(files);
}

async function walk(entry: FileSystemEntry): Promise<FolderFile[]> {
  if (entry instanceof FileSystemFileEntry) {
    const file = await new Promise<File>((resolve, reject) => entry.file(resolve, reject));
    return [{ path: entry.fullPath.replace(/^\/+/, ''), file }];
  }
  if (!(entry instanceof FileSystemDirectoryEntry)) return [];
  const reader = entry.createReader();
  const files: FolderFile[] = [];
  for (;;) {
    // Chrome hands out at most 100 entries a call.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (some.length === 0) return files;
    files.push(...(await Promise.all(some.map(walk))).flat());
  }
}

/** A large model has hundreds of files. */
const some = (paths: readonly string[]): string =>
  paths.length > 4 ? `${paths.slice(0, 3).join(', ')} and ${paths.length - 3} more files` : paths.join(', ');

/** Copies a model's folder into the browser's storage and sets the run, or the next lab, to use it. */
export async function useModel(files: readonly FolderFile[]): Promise<void> {
  if (busy.value) return;
  let folder: ModelFolder;
  try {
    folder = await modelFolder(files);
  } catch (error) {
    problem.value = problemOf('The folder could not be read', error, 'Nothing was changed.');
    return;
  }
  const { name, use, files: kept, missing } = folder;
  if (missing.length > 0) {
    problem.value = {
      title: `The folder lacks ${some(missing)}`,
      safe: 'Nothing was changed.',
      advice:
        'Choose a folder in Hugging Face layout: config.json, tokenizer.json and model.safetensors, or onnx/model.onnx for an embedder or a reward model.',
      details: files
        .map(({ path }) => path)
        .slice(0, 50)
        .join('\n'),
    };
    return;
  }
  try {
    said.value = `Copying ${name}.`;
    const mark = await contentMark(kept.map(({ file }) => file));
    const stored = await host.saveModelFolder(`${name} ${mark}`, kept);
    choose(use, stored);
    if (use !== 'reward') openStage(use === 'model' ? 'model' : 'filter');
    said.value = `${name} is stored on this device.`;
    await measureStorage();
  } catch (error) {
    problem.value = problemOf(`${name} could not be stored`, error, 'The run uses what it had.');
  }
}
