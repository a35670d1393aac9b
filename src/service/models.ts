/** The language model that a worker has open: one at a time, kept until another is asked for. */
import { openDevice } from '../engine/backend.ts';
import { loadLanguageModel } from '../engine/language-model.ts';
import { readJson } from '../engine/tokenizer.ts';
import type { LanguageModel } from '../engine/types.ts';
import type { RunConfig } from '../pipeline/config.ts';
import type { Context } from '../pipeline/context.ts';
import { readStartAdapter } from '../pipeline/start-adapter.ts';
import type { Storage } from '../storage/index.ts';
import { adapterSource, modelFiles } from './sources.ts';

export interface Models {
  /** The model of these settings. */
  of(config: RunConfig): Promise<LanguageModel>;
  /** Its config.json, read without its weights. */
  configOf(config: RunConfig): Promise<unknown>;
  /** How to read the adapter that the settings start from; nothing where they name none. */
  startAdapter(config: RunConfig, model: LanguageModel): Promise<Pick<Context, 'startAdapter'>>;
  /** A device that failed gets no second chance: the next call opens one anew. */
  close(): Promise<void>;
}

/** @param base address of the page, under which models/ and ort/ lie */
export function createModels(base: URL, opened: () => Promise<Storage>): Models {
  const wasmPath = new URL('ort/', base).href;
  let open: { key: string; model: Promise<LanguageModel> } | undefined;

  const dispose = (old: typeof open): Promise<void> =>
    old?.model.then((model) => model.dispose()).catch(() => undefined) ?? Promise.resolve();

  const load = async (config: RunConfig, old: typeof open): Promise<LanguageModel> => {
    await dispose(old);
    const { files, release } = await modelFiles(config, base, await opened());
    try {
      const device = await openDevice({ backend: config.backend, wasmPath });
      const model = await loadLanguageModel(device, files, { precision: config.precision }).catch(
        async (error: unknown) => {
          await device.dispose().catch(() => undefined);
          throw error;
        },
      );
      return { ...model, dispose: () => model.dispose().finally(release) };
    } catch (error) {
      release();
      throw error;
    }
  };

  return {
    of: async (config) => {
      const key = JSON.stringify([config.model, config.hub, config.backend, config.precision]);
      if (open?.key === key) return open.model;
      const model = load(config, open);
      open = { key, model };
      model.catch(() => {
        if (open?.model === model) open = undefined;
      });
      return model;
    },
    configOf: async (config) => {
      const { files, release } = await modelFiles(config, base, await opened());
      return readJson(files, 'config.json').finally(release);
    },
    startAdapter: async (config, model) => {
      const source = adapterSource(config.adapter, await opened());
      return source ? { startAdapter: () => readStartAdapter(source, model.config, config.lora) } : {};
    },
    close: async () => {
      const failed = open;
      open = undefined;
      await dispose(failed);
    },
  };
}
