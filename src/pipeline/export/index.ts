/** All formats a run can be exported to, and how to get one. */
import { loraModules } from '../../model/adapter.ts';
import { slugOf } from '../slug.ts';
import type { Arm, RunStore } from '../types.ts';
import type { ExportFile, ExportFormat } from '../worker-api.ts';
import { exportCluster } from './cluster.ts';
import { exportGguf } from './gguf.ts';
import { exportMerged } from './merged.ts';
import { exportOnnx } from './onnx.ts';
import { exportLlamaFactory, exportParquet, exportTrl } from './pairs.ts';
import { DEFAULT_OPTIONS, ExportError, type Exporter, type ExportOptions, type ExportRun } from './types.ts';

const mergedAs =
  (dtype: ExportOptions['dtype'], folder: ExportFormat): Exporter =>
  (run) =>
    exportMerged({ ...run, options: { ...run.options, dtype } }, folder);

const EXPORTERS: Readonly<Record<ExportFormat, Exporter>> = {
  merged: mergedAs('base', 'merged'),
  'merged-f16': mergedAs('F16', 'merged-f16'),
  'merged-f32': mergedAs('F32', 'merged-f32'),
  gguf: exportGguf,
  onnx: exportOnnx,
  trl: exportTrl,
  'llama-factory': exportLlamaFactory,
  parquet: exportParquet,
  cluster: exportCluster,
};

/** The adapter of an arm; null for the base model. @throws ExportError where the run has not come that far */
export async function armAdapter(store: RunStore, arm: Arm): Promise<readonly Float32Array[] | null> {
  if (arm === 'base') return null;
  const checkpoint = await store.checkpoint(arm === 'sft' ? 'sft' : 'dpo');
  if (!checkpoint) {
    throw new ExportError(`The run has no ${arm === 'sft' ? 'SFT' : 'Self-Contrast'} adapter yet.`);
  }
  return checkpoint.state.parameters;
}

/** The files of one format, made one after the other. */
export async function* exportRun(
  format: ExportFormat,
  arm: Arm,
  run: Pick<ExportRun, 'store' | 'model' | 'onProgress' | 'signal'>,
): AsyncGenerator<ExportFile> {
  const { name, config } = await run.store.manifest();
  const adapter = await armAdapter(run.store, arm);
  yield* EXPORTERS[format]({
    ...run,
    config,
    slug: slugOf(name),
    modules: adapter ? loraModules(run.model.config, config.lora, adapter) : [],
    options: DEFAULT_OPTIONS,
  });
}
