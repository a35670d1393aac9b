/** An adapter that the run starts from: picked or dropped, a PEFT folder or a zip of one. */
import { DEFAULT_CONFIG } from '../../pipeline/config.ts';
import { host } from '../host.ts';
import { contentMark } from '../mark.ts';
import { problemOf } from '../problems.ts';
import { config } from '../settings.ts';
import { busy, problem, said, selected } from '../signals.ts';
import { edit } from './edits.ts';
import { askFiles } from './pick.ts';
import { measureStorage } from './space.ts';

const CONFIG = 'adapter_config.json';
const WEIGHTS = 'adapter_model.safetensors';
/** Bytes of an adapter that are read at most. */
const MOST_BYTES = 2 ** 31;

interface AdapterFiles {
  readonly name: string;
  readonly config: Blob;
  readonly weights: Blob;
}

export async function pickAdapter(): Promise<void> {
  const files = await askFiles({ accept: '.zip,.json,.safetensors', multiple: true });
  if (files.length === 0) return;
  if (!(await takeAdapter(files))) {
    problem.value = {
      title: 'These files are no PEFT adapter',
      safe: 'Nothing was changed.',
      advice: `Choose ${CONFIG} and ${WEIGHTS} together, or a zip file that holds both.`,
      details: files.map((file) => file.name).join('\n'),
    };
  }
}

/** Uses the files as an adapter if they are one; false where they are something else. */
export async function takeAdapter(files: readonly File[]): Promise<boolean> {
  if (busy.value) return false;
  try {
    const found = await find(files);
    if (found === null) return false;
    await use(found);
  } catch (error) {
    problem.value = problemOf('The adapter could not be used', error, 'Nothing was changed.');
  }
  return true;
}

async function find(files: readonly File[]): Promise<AdapterFiles | null> {
  const named = (name: string) => files.find((file) => file.name === name);
  const [settings, weights] = [named(CONFIG), named(WEIGHTS)];
  if (settings && weights) {
    return { name: settings.webkitRelativePath.split('/')[0] || 'adapter', config: settings, weights };
  }
  const [zip] = files;
  if (files.length !== 1 || !zip?.name.toLowerCase().endsWith('.zip')) return null;
  return unzip(zip);
}

async function unzip(file: File): Promise<AdapterFiles | null> {
  const { blobSource, Zip } = await import('../../model/zip.ts');
  const zip = await Zip.open(blobSource(file));
  const names = [...zip.entries.keys()];
  const folders = names.flatMap((entry) => {
    const folder = entry.slice(0, entry.lastIndexOf('/') + 1);
    return entry === folder + CONFIG && names.includes(folder + WEIGHTS) ? [folder] : [];
  });
  const [folder, another] = folders;
  if (folder === undefined) return null;
  if (another !== undefined) {
    const list = folders.map((each) => each || 'the top').join(', ');
    throw new Error(`the zip holds several adapters (${list}); use a zip with one`);
  }
  const [settings, weights] = [folder + CONFIG, folder + WEIGHTS];
  const blob = async (name: string) => new Blob([Uint8Array.from(await zip.bytes(name, MOST_BYTES))]);
  return {
    name: file.name.replace(/\.zip$/i, ''),
    config: await blob(settings),
    weights: await blob(weights),
  };
}

async function use({ name, config: settings, weights }: AdapterFiles): Promise<void> {
  const [{ readPeft }, { uniformLora }] = await Promise.all([
    import('../../model/peft.ts'),
    import('../../model/adapter.ts'),
  ]);
  const bytes = new Uint8Array(await weights.arrayBuffer());
  const lora = uniformLora(readPeft(await settings.text(), bytes).modules);
  // A name of its own: another adapter under the same file name must not take its place.
  const stored = [new File([settings], CONFIG), new File([weights], WEIGHTS)];
  const adapter = await host.saveModelFolder(
    `${name} ${await contentMark(stored)}`,
    stored.map((file) => ({ path: file.name, file })),
  );
  edit({ ...config.value, adapter, lora, sft: { ...config.value.sft, epochs: 0 } });
  selected.value = 'model';
  said.value = `The run starts from ${name}: rank ${lora.rank}, ${lora.targets.length} of 7 matrices a layer.`;
  await measureStorage();
}

/** Back to starting from the model alone; SFT is done again. */
export function forgetAdapter(): void {
  const { sft } = config.value;
  const epochs = sft.epochs === 0 ? DEFAULT_CONFIG.sft.epochs : sft.epochs;
  edit({ ...config.value, adapter: 'none', lora: DEFAULT_CONFIG.lora, sft: { ...sft, epochs } });
}
