/** What the model worker does: opens device, model and storage, and runs the pipeline on stored runs. */
import type { LanguageModel, SelfCheck, TextEmbedder } from '../engine/types.ts';
import type { LabApi } from '../lab/worker-api.ts';
import { AdvisedError } from '../model/advised.ts';
import { parseModelConfig } from '../model/config.ts';
import type { RunConfig } from '../pipeline/config.ts';
import { checkFit, type Fit, guessedLengths, type Limits, lengthsOf, plan } from '../pipeline/fit.ts';
import { checkModel } from '../pipeline/identity.ts';
import { prepareData, promptMessages } from '../pipeline/prepare.ts';
import { runErrorOf, runPipeline } from '../pipeline/run.ts';
import { totalSteps } from '../pipeline/train.ts';
import type { Arm, DataRow, PreparedData, RunManifest } from '../pipeline/types.ts';
import type { CheckResult, FitQuestion, ModelWorkerApi, SeenRow } from '../pipeline/worker-api.ts';
import { openStorage, type Storage } from '../storage/index.ts';
import { storageLeft } from '../storage/space.ts';
import { deviceLimits } from './device-limits.ts';
import { startEmbedder } from './embedder-client.ts';
import { createExportService } from './export-service.ts';
import { createLabService } from './lab-service.ts';
import { createModels } from './models.ts';

/**
 * @param base address of the page, under which models/ and ort/ lie
 * @param versions of the libraries, for run.json
 */
export function createModelService(
  base: URL,
  versions: Readonly<Record<string, string>>,
): ModelWorkerApi & LabApi {
  let storage: Promise<Storage> | undefined;
  let stopping: AbortController | undefined;

  const opened = (): Promise<Storage> => {
    storage ??= openStorage();
    // The next call tries again: what stood in the way may be gone by then.
    storage.catch(() => {
      storage = undefined;
    });
    return storage;
  };

  const store = async (id: string) => (await opened()).run(id);

  const models = createModels(base, opened);
  const modelOf = ({ config }: RunManifest): Promise<LanguageModel> => models.of(config);

  const fitOf = async ({ config, modelConfig, run, download }: FitQuestion): Promise<Fit> => {
    const model = parseModelConfig(modelConfig ?? (await models.configOf(config)));
    const limits = await deviceLimits(config.backend);
    const known = run === undefined ? undefined : await preparedFor(run, config);
    return plan(model, config, known ? lengthsOf(known) : guessedLengths(config), limits, download);
  };

  /** A run's data in tokens, as long as they are those of the model in question. */
  const preparedFor = async (run: string, { model }: RunConfig): Promise<PreparedData | undefined> => {
    const runs = await store(run);
    return (await runs.manifest()).config.model === model ? runs.prepared() : undefined;
  };

  /**
   * The model of a run that is going to start, and what its device allows; refused before its weights are read where
   * it cannot fit.
   */
  const fittingModel = async (manifest: RunManifest): Promise<{ model: LanguageModel; limits: Limits }> => {
    const fit = await fitOf({ config: manifest.config, run: manifest.id });
    checkFit(fit);
    return { model: await modelOf(manifest), limits: fit.limits };
  };

  /** Looked for in the runs that are stored: what one of them has shown need not be shown again. */
  const passedCheck = async (key: string): Promise<SelfCheck | undefined> =>
    (await (await opened()).listRuns())
      .map(({ selfCheck }) => selfCheck)
      .find((check) => check?.passed && check.key === key);

  /** The model whose results the run holds, and no other under its name. */
  const sameModel = async (manifest: RunManifest): Promise<LanguageModel> => {
    const model = await modelOf(manifest);
    checkModel(manifest.model, model.info);
    return model;
  };

  const exports = createExportService({ store, modelOf: sameModel, versions });
  const labs = createLabService({ storage: opened, models, versions });

  return {
    ...exports.api,
    ...labs.api,
    run: async (runId, onEvent, until) => {
      const runs = await store(runId);
      const manifest = await runs.manifest();
      const abort = new AbortController();
      stopping = abort;
      let embedder: Promise<TextEmbedder & { close(): void }> | undefined;
      try {
        const { model, limits } = await fittingModel(manifest).catch(async (error: unknown) => {
          // A model that can't be loaded fails its stage like any other failure.
          const problem = runErrorOf(error, 'model');
          const failed: RunManifest = {
            ...manifest,
            error: problem,
            stages: { ...manifest.stages, model: 'failed' },
          };
          await runs.saveManifest(failed).catch(() => undefined);
          onEvent({ type: 'manifest', manifest: failed });
          throw error;
        });
        await runPipeline(
          {
            config: manifest.config,
            model,
            embedder: () => {
              embedder ??= startEmbedder(manifest.config);
              return embedder;
            },
            overlap: true,
            ...(await models.startAdapter(manifest.config, model)),
            store: runs,
            emit: onEvent,
            signal: abort.signal,
            now: () => performance.now(),
            room: storageLeft,
            limits,
            passedCheck,
          },
          until,
        );
      } catch (error) {
        if (error instanceof AdvisedError && error.offer === 'wasm') await models.close();
        if (!abort.signal.aborted) throw error;
      } finally {
        void embedder?.then((e) => e.close()).catch(() => undefined);
        if (stopping === abort) stopping = undefined;
      }
    },
    stop: async () => {
      stopping?.abort(new Error('stopped'));
      exports.stop(new Error('stopped'));
      labs.stop(new Error('stopped'));
    },
    check: async (runId) => {
      const runs = await store(runId);
      const manifest = await runs.manifest();
      const limits = await deviceLimits(manifest.config.backend);
      return checkRun(await modelOf(manifest), manifest, await runs.dataset(), limits);
    },
    selfCheck: async (runId) => {
      const manifest = await (await store(runId)).manifest();
      return (await modelOf(manifest)).selfCheck(manifest.config.lora);
    },
    fit: fitOf,
    see: async (runId, row) => seeRow(await modelOf(await (await store(runId)).manifest()), row),
    chat: async (runId, arm, messages, { temperature, seed }, onText) => {
      const runs = await store(runId);
      const manifest = await runs.manifest();
      const model = await sameModel(manifest);
      const adapter = arm === 'base' ? null : await adapterOf(runs, arm);
      const sampler = await model.createSampler(manifest.config.lora, adapter);
      try {
        let text = '';
        const { ids } = model.tokenizer.renderPrompt(messages);
        await sampler.sample(
          [{ promptIds: ids, n: 1, seed }],
          {
            temperature,
            topP: 1,
            topK: 0,
            maxTokens: manifest.config.sample.maxTokens,
            stopIds: model.tokenizer.stopIds,
          },
          (_, [sample]) => {
            text = model.tokenizer.decode(sample?.tokenIds ?? []).trim();
          },
        );
        onText(text);
        return text;
      } finally {
        await sampler.dispose();
      }
    },
  };
}

async function adapterOf(
  runs: ReturnType<Storage['run']>,
  arm: Exclude<Arm, 'base'>,
): Promise<readonly Float32Array[]> {
  const checkpoint = await runs.checkpoint(arm === 'sft' ? 'sft' : 'dpo');
  if (!checkpoint) throw new Error(`the run has no ${arm === 'sft' ? 'SFT' : 'Self-Contrast'} adapter yet`);
  return checkpoint.state.parameters;
}

/** Tokens shown of a prompt, and of a target: more would only slow the page down. */
const SHOWN_TOKENS = 2000;

function seeRow({ tokenizer, info }: LanguageModel, row: DataRow): SeenRow {
  const promptIds = tokenizer.renderPrompt(promptMessages(row)).ids;
  const targetIds = row.target === undefined ? [] : tokenizer.encodeTarget(row.target);
  const half = SHOWN_TOKENS / 2;
  const prompt =
    promptIds.length <= SHOWN_TOKENS
      ? tokenizer.pieces(promptIds)
      : [...tokenizer.pieces(promptIds.slice(0, half)), ' … ', ...tokenizer.pieces(promptIds.slice(-half))];
  return {
    prompt,
    target: tokenizer.pieces(targetIds.slice(0, SHOWN_TOKENS)),
    promptTokens: promptIds.length,
    targetTokens: targetIds.length,
    model: info,
  };
}

function checkRun(
  model: LanguageModel,
  { config }: RunManifest,
  dataset: Parameters<typeof prepareData>[0],
  limits: Limits,
): CheckResult {
  const prepared = prepareData(dataset, model.tokenizer, model.info.contextLength, config);
  const [first] = prepared.train;
  const { pieces } = model.tokenizer;
  const lengths = prepared.train.map((row) => row.promptIds.length + row.targetIds.length);
  return {
    rowsRead: dataset.rows.length,
    refused: prepared.refused,
    train: prepared.train.length,
    heldOut: prepared.heldOut.length,
    firstPrompt: {
      text: first ? model.tokenizer.renderPrompt(promptMessages(first)).text : '',
      pieces: pieces(first?.promptIds ?? []),
      targetPieces: pieces(first?.targetIds ?? []),
    },
    needs: {
      'SFT steps': totalSteps(prepared.train.length, config.sft),
      'sampled answers': prepared.train.length * config.sample.n,
      'sampled tokens at most': prepared.train.length * config.sample.n * config.sample.maxTokens,
      'DPO steps at most': totalSteps(prepared.train.length, config.dpo),
      'longest prompt and target in tokens': Math.max(0, ...lengths),
    },
    fit: plan(model.config, config, lengthsOf(prepared), limits),
    model: model.info,
    backend: model.device.backend,
    note: model.device.note,
  };
}
