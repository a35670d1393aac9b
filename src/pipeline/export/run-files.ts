/** The files of OUT/: adapter in PEFT's layout, pairs, responses, the run and its report. */
import { utf8ToBytes } from '@noble/hashes/utils.js';
import type { AdapterWeights, LanguageModel } from '../../engine/types.ts';
import { namedAdapter } from '../../model/adapter.ts';
import { ADAPTER_CONFIG, ADAPTER_MODEL, writePeft } from '../../model/peft.ts';
import type { RunConfig } from '../config.ts';
import type { RunManifest, RunStore } from '../types.ts';
import type { ExportFile } from '../worker-api.ts';
import { jsonLines, minedPairs, sampledResponses } from './rows.ts';

const encode = utf8ToBytes;

/** The finished adapter: DPO's, or as far as the run has come. */
export async function finalAdapter(store: RunStore): Promise<AdapterWeights | null> {
  const checkpoint = (await store.checkpoint('dpo')) ?? (await store.checkpoint('sft'));
  return checkpoint?.state.parameters ?? null;
}

export async function exportFiles(
  store: RunStore,
  model: LanguageModel,
  versions: Readonly<Record<string, string>>,
): Promise<ExportFile[]> {
  const manifest = await store.manifest();
  const files: ExportFile[] = [];
  const adapter = await finalAdapter(store);
  if (adapter) files.push(...adapterFiles(model, manifest.config.lora, adapter, 'adapter'));
  if (await store.prepared()) {
    files.push({ path: 'responses.jsonl', bytes: jsonLines(await sampledResponses(store)) });
    const pairs = await minedPairs(store);
    files.push({
      path: 'pairs.jsonl',
      bytes: jsonLines(pairs.map(({ history: _history, ...pair }) => pair)),
    });
  }
  files.push({
    path: 'run.json',
    bytes: encode(`${JSON.stringify(await runRecord(store, manifest, versions), null, 2)}\n`),
  });
  if (manifest.report)
    files.push({ path: 'report.json', bytes: encode(`${JSON.stringify(manifest.report, null, 2)}\n`) });
  return files;
}

/** An adapter in PEFT's layout, under `folder`. */
export function adapterFiles(
  model: LanguageModel,
  lora: RunConfig['lora'],
  adapter: AdapterWeights,
  folder: string,
): ExportFile[] {
  const tensors = namedAdapter(model.config, lora, adapter);
  const peft = writePeft({ baseModel: model.info.name, lora, tensors });
  return [
    { path: `${folder}/${ADAPTER_CONFIG}`, bytes: encode(peft.config) },
    { path: `${folder}/${ADAPTER_MODEL}`, bytes: peft.model },
  ];
}

async function runRecord(
  store: RunStore,
  manifest: RunManifest,
  versions: Readonly<Record<string, string>>,
): Promise<unknown> {
  const dataset = await store.dataset();
  return {
    name: manifest.name,
    created: new Date(manifest.created).toISOString(),
    config: manifest.config,
    versions,
    seeds: { run: manifest.config.seed },
    data: {
      name: dataset.name,
      fingerprint: dataset.fingerprint,
      rows: dataset.rows.length,
      refused: dataset.refused.length,
    },
    model: manifest.model ?? null,
    embedder: manifest.embedder ?? null,
    device: manifest.device ?? null,
    memory: manifest.memory ?? null,
    selfCheck: manifest.selfCheck ?? null,
    seconds: manifest.seconds,
  };
}
