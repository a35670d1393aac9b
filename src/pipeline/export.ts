/** The files of OUT/: adapter in PEFT's layout, pairs, responses, the run and its report. */
import { utf8ToBytes } from '@noble/hashes/utils.js';
import type { AdapterWeights, LanguageModel } from '../engine/types.ts';
import { ADAPTER_CONFIG, ADAPTER_MODEL, writePeft } from '../model/peft.ts';
import { preferenceGroups } from './dpo.ts';
import type { ExportFile, PreparedData, PromptResponses, RunManifest, RunStore } from './types.ts';

const encode = utf8ToBytes;
const lines = (rows: readonly unknown[]): Uint8Array =>
  encode(rows.map((row) => `${JSON.stringify(row)}\n`).join(''));

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
  if (adapter) {
    const { rank, alpha, targets } = manifest.config.lora;
    const peft = writePeft({
      baseModel: model.info.name,
      rank,
      alpha,
      targets,
      tensors: model.namedAdapter(manifest.config.lora, adapter),
    });
    files.push(
      { path: `adapter/${ADAPTER_CONFIG}`, bytes: encode(peft.config) },
      { path: `adapter/${ADAPTER_MODEL}`, bytes: peft.model },
    );
  }
  const data = await store.prepared();
  if (data) {
    const responses = await store.responses();
    files.push({ path: 'responses.jsonl', bytes: lines(responseRows(data, responses)) });
    files.push({ path: 'pairs.jsonl', bytes: lines(await pairRows(store, data, responses)) });
  }
  files.push({
    path: 'run.json',
    bytes: encode(`${JSON.stringify(await runRecord(store, manifest, versions), null, 2)}\n`),
  });
  if (manifest.report)
    files.push({ path: 'report.json', bytes: encode(`${JSON.stringify(manifest.report, null, 2)}\n`) });
  return files;
}

function responseRows(data: PreparedData, records: readonly PromptResponses[]): unknown[] {
  return records.flatMap(({ index, responses }) =>
    responses.map(({ text, similarity = null, kept = null, tokenIds, logp }) => ({
      prompt_index: index,
      prompt: data.train[index]?.prompt ?? '',
      text,
      similarity,
      kept,
      prompt_ids: data.train[index]?.promptIds ?? [],
      token_ids: tokenIds,
      logp,
    })),
  );
}

async function pairRows(
  store: RunStore,
  data: PreparedData,
  responses: readonly PromptResponses[],
): Promise<unknown[]> {
  const pairs = await store.pairs();
  const references = new Map((await store.references()).map(({ index, logp }) => [index, logp] as const));
  const byIndex = new Map(responses.map((record) => [record.index, record.responses] as const));
  const groups = new Map(
    preferenceGroups(data, responses, pairs, references).map((g) => [g.index, g] as const),
  );
  return pairs.flatMap(({ index, response }) => {
    const row = data.train[index];
    const rejected = byIndex.get(index)?.[response];
    const group = groups.get(index);
    if (!row || !rejected || !group) return [];
    return {
      prompt: row.prompt,
      chosen: row.target,
      rejected: rejected.text,
      similarity: rejected.similarity ?? null,
      ref_chosen_logp: group.references[0] ?? null,
      ref_rejected_logp: rejected.logp,
      prompt_ids: row.promptIds,
      chosen_ids: row.targetIds,
      rejected_ids: rejected.tokenIds,
    };
  });
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
    device: manifest.device ?? null,
    seconds: manifest.seconds,
  };
}
