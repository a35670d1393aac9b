/** Exports and benchmark answers of stored runs, for the model worker. */
import type { LanguageModel } from '../engine/types.ts';
import { answerBenchmark, readBenchmark } from '../pipeline/export/answers.ts';
import { armAdapter, exportRun } from '../pipeline/export/index.ts';
import { exportFiles } from '../pipeline/export/run-files.ts';
import { slugOf } from '../pipeline/slug.ts';
import type { RunManifest, RunStore } from '../pipeline/types.ts';
import type { ModelWorkerApi } from '../pipeline/worker-api.ts';

type ExportApi = Pick<ModelWorkerApi, 'exportFiles' | 'exportAs' | 'answer'>;

/** What a judge's tables call the arms. */
const ARM_ID = { base: 'base', sft: 'sft', selfContrast: 'self-contrast' } as const;

/** The exports, and what stops those under way. */
export function createExportService({
  store,
  modelOf,
  versions,
}: {
  readonly store: (runId: string) => Promise<RunStore>;
  readonly modelOf: (manifest: RunManifest) => Promise<LanguageModel>;
  readonly versions: Readonly<Record<string, string>>;
}): { readonly api: ExportApi; readonly stop: (reason: Error) => void } {
  const underWay = new Set<AbortController>();
  const stoppable = async <T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> => {
    const abort = new AbortController();
    underWay.add(abort);
    try {
      return await work(abort.signal);
    } finally {
      underWay.delete(abort);
    }
  };
  const open = async (runId: string) => {
    const runs = await store(runId);
    const manifest = await runs.manifest();
    return { runs, manifest, model: await modelOf(manifest) };
  };
  const api: ExportApi = {
    exportFiles: async (runId) => {
      const { runs, model } = await open(runId);
      return exportFiles(runs, model, versions);
    },
    exportAs: (runId, format, arm, onFile, onProgress) =>
      stoppable(async (signal) => {
        const { runs, model } = await open(runId);
        for await (const file of exportRun(format, arm, { store: runs, model, onProgress, signal })) {
          await onFile(file);
        }
      }),
    answer: (runId, text, options, onProgress) =>
      stoppable(async (signal) => {
        const benchmark = readBenchmark(text);
        const { runs, manifest, model } = await open(runId);
        return answerBenchmark(benchmark, {
          model,
          lora: manifest.config.lora,
          adapter: await armAdapter(runs, options.arm),
          modelId: `${slugOf(manifest.name)}-${ARM_ID[options.arm]}`,
          options,
          seed: manifest.config.seed,
          now: Date.now() / 1000,
          onProgress,
          signal,
        });
      }),
  };
  return {
    api,
    stop: (reason) => {
      for (const abort of underWay) abort.abort(reason);
    },
  };
}
