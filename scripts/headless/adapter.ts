/** `--adapter DIR|ZIP`: reads the adapter a run starts from, before a browser is started. */
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { uniformLora } from '../../src/model/adapter.ts';
import { ADAPTER_CONFIG, ADAPTER_MODEL } from '../../src/model/peft.ts';
import { arraySource, Zip } from '../../src/model/zip.ts';
import { parseConfig, type RunConfig } from '../../src/pipeline/config.ts';
import { readAdapterFolder } from '../../src/pipeline/start-adapter.ts';
import { folder } from '../lib/native.ts';
import { UsageError } from './fail.ts';

export interface StartAdapter {
  /** A folder with the two files. */
  readonly folder: string;
  readonly name: string;
  readonly lora: RunConfig['lora'];
}

/** Bytes of an adapter that are read at most. */
const MOST_BYTES = 2 ** 31;

/**
 * @param path a PEFT folder, or a zip of one (in a folder of its own or not)
 * @param scratch where a zip's files are put
 * @throws UsageError in the user's words
 */
export async function openAdapter(path: string, scratch: string): Promise<StartAdapter> {
  try {
    const found = await stat(path);
    const at = found.isDirectory() ? path : await unzipped(path, join(scratch, 'adapter'));
    const { modules } = await readAdapterFolder({ ...folder(at), name: basename(path) });
    return { folder: at, name: basename(path).replace(/\.zip$/i, ''), lora: uniformLora(modules) };
  } catch (error) {
    const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    const message = missing
      ? 'no such folder or file.'
      : error instanceof Error
        ? error.message
        : String(error);
    throw new UsageError(`--adapter ${path}: ${message}`);
  }
}

async function unzipped(path: string, into: string): Promise<string> {
  const zip = await Zip.open(arraySource(new Uint8Array(await readFile(path))));
  await mkdir(into, { recursive: true });
  for (const name of [ADAPTER_CONFIG, ADAPTER_MODEL]) {
    const inside = [...zip.entries.keys()].find((entry) => entry.split('/').at(-1) === name);
    if (inside === undefined) throw new Error(`there is no ${name} in it.`);
    await writeFile(join(into, name), await zip.bytes(inside, MOST_BYTES));
  }
  return into;
}

/** The settings of a run that starts from the adapter at `address`; SFT is left out unless it was asked for. */
export function withAdapter(
  config: RunConfig,
  address: string,
  { lora }: StartAdapter,
  sftAsked: boolean,
): RunConfig {
  return parseConfig({
    ...config,
    adapter: address,
    lora,
    sft: { ...config.sft, ...(sftAsked ? {} : { epochs: 0 }) },
  });
}
