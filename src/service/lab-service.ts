/** Labs, for the model worker: opens what they need, and hands over what they found out. */
import type { RewardModel, TextEmbedder } from '../engine/types.ts';
import { collectLab } from '../lab/collect.ts';
import { estimateLab } from '../lab/estimate.ts';
import { importedAnswers } from '../lab/imported.ts';
import { allKeys, askComparisons } from '../lab/judges/comparisons.ts';
import { readVerdicts } from '../lab/judges/verdicts.ts';
import { type LabContext, runLab } from '../lab/run.ts';
import { runReport } from '../lab/run-report.ts';
import { summarise } from '../lab/summary.ts';
import { suspectsOf } from '../lab/suspects.ts';
import type { LabEvent, LabReport, Split } from '../lab/types.ts';
import { planWork } from '../lab/work.ts';
import type { LabApi } from '../lab/worker-api.ts';
import { AdvisedError } from '../model/advised.ts';
import { InputError } from '../model/text.ts';
import type { RunConfig } from '../pipeline/config.ts';
import { adapterFiles } from '../pipeline/export/run-files.ts';
import { reportFiles } from '../report/files.ts';
import type { Storage } from '../storage/index.ts';
import { storageLeft } from '../storage/space.ts';
import { deviceLimits } from './device-limits.ts';
import { type EmbedderChoice, startEmbedder } from './embedder-client.ts';
import type { Models } from './models.ts';
import { type RewardChoice, startReward } from './reward-client.ts';

export interface LabServiceHost {
  readonly storage: () => Promise<Storage>;
  readonly models: Models;
  /** Of the libraries, for reports. */
  readonly versions: Readonly<Record<string, string>>;
}

/** The calls for labs, and what stops those under way. */
export function createLabService(host: LabServiceHost): {
  readonly api: LabApi;
  readonly stop: (reason: Error) => void;
} {
  const { storage, versions } = host;
  const underWay = new Set<AbortController>();

  /** Works with a lab's context; what was opened for it beside the model is closed when the work ends. */
  const within = async <T>(
    labId: string,
    work: (context: LabContext) => Promise<T>,
    emit: LabContext['emit'] = () => {},
  ): Promise<T> => {
    const abort = new AbortController();
    underWay.add(abort);
    const open = new Opened();
    try {
      return await work(await contextOf(host, open, labId, emit, abort.signal));
    } catch (error) {
      if (error instanceof AdvisedError && error.offer === 'wasm') await host.models.close();
      throw error;
    } finally {
      open.close();
      underWay.delete(abort);
    }
  };

  /** Ends without an error where it was stopped. */
  const sitting = (labId: string, onEvent: (event: LabEvent) => void, split: Split): Promise<void> =>
    within(
      labId,
      (context) =>
        runLab(context, split).catch((error: unknown) => {
          if (!context.signal.aborted) throw error;
        }),
      onEvent,
    );

  const report = (labId: string, split: Split): Promise<LabReport> =>
    within(labId, async (context) => summarise(await collectLab(context, split)));

  const api: LabApi = {
    runLab: (labId, onEvent) => sitting(labId, onEvent, 'working'),
    lookAtFinal: (labId, onEvent) => sitting(labId, onEvent, 'final'),
    estimateLab: (labId, measure) => within(labId, (context) => estimateLab(context, { measure })),
    labReport: report,
    labFiles: async (labId, split) => reportFiles(await report(labId, split)),
    comparisons: (labId, armA, armB) =>
      within(labId, async (context) => {
        const { answers, heldOut, manifest } = await collectLab(context, 'working');
        for (const arm of [armA, armB]) {
          if (manifest.arms.some(({ id }) => id === arm)) continue;
          const known = manifest.arms.map(({ id }) => id).join(', ');
          throw new InputError(`the lab has no arm ${arm}; it has ${known}.`);
        }
        return askComparisons(answers, heldOut, armA, armB, manifest.config.seed);
      }),
    importVerdicts: (labId, text, judge) =>
      within(labId, async (context) => {
        const { answers, heldOut } = await collectLab(context, 'working');
        const read = readVerdicts(text, allKeys(answers, heldOut), judge, Date.now());
        await context.store.saveVerdicts(read.verdicts);
        return read;
      }),
    adapters: (labId, onFile) =>
      within(labId, async ({ store, dataset, signal }) => {
        const manifest = await store.manifest();
        const { arms, byKey } = planWork(manifest, (await dataset()).fingerprint);
        for (const { arm, seed, policy, config } of arms) {
          const work = policy === null ? undefined : byKey.get(policy);
          if (work?.kind !== 'policy' || manifest.pieces[work.key]?.state !== 'done') continue;
          signal.throwIfAborted();
          const checkpoint = await store.piece(work.key).checkpoint(work.stage);
          if (checkpoint === undefined) continue;
          const model = await host.models.of(config);
          const folder = `${arm}-seed${seed}`;
          for (const file of adapterFiles(model, config.lora, checkpoint.state.parameters, folder))
            await onFile(file);
        }
      }),
    suspects: (labId, count) =>
      within(labId, async ({ store, dataset }) => suspectsOf(store, (await dataset()).fingerprint, count)),
    runReport: async (runId) => runReport((await storage()).run(runId), versions),
    runReportFiles: async (runId) => reportFiles(await runReport((await storage()).run(runId), versions)),
  };
  return {
    api,
    stop: (reason) => {
      for (const abort of underWay) abort.abort(reason);
    },
  };
}

async function contextOf(
  { storage, models, versions }: LabServiceHost,
  opened: Opened,
  labId: string,
  emit: LabContext['emit'],
  signal: AbortSignal,
): Promise<LabContext> {
  const { labs, data } = await storage();
  const store = labs.lab(labId);
  const { datasetId, importedId, rewardModel, config } = await store.manifest();
  return {
    store,
    dataset: () => data.load(datasetId),
    imported: async () => {
      if (importedId === undefined) return null;
      const [{ rows }, own] = [await data.load(importedId), await data.load(datasetId)];
      return importedAnswers(rows, own.rows).answers;
    },
    open: async (settings) => {
      const model = await models.of(settings);
      return {
        model,
        embedder: () => opened.embedder(settings),
        overlap: true,
        limits: await deviceLimits(settings.backend),
        ...(await models.startAdapter(settings, model)),
      };
    },
    ...(rewardModel !== undefined && {
      reward: () => opened.reward({ reward: rewardModel, hub: config.hub }),
    }),
    emit,
    signal,
    now: () => performance.now(),
    room: storageLeft,
    versions,
  };
}

/** What a sitting has open beside the model: the embedder that was asked for last, and the reward model. */
class Opened {
  private current: { key: string; value: Promise<TextEmbedder & { close(): void }> } | null = null;
  private judge: ReturnType<typeof startReward> | null = null;

  embedder({ embedder, embedderPooling, hub }: RunConfig): Promise<TextEmbedder> {
    const choice: EmbedderChoice = { embedder, embedderPooling, hub };
    const key = JSON.stringify(choice);
    if (this.current?.key !== key) {
      this.closeEmbedder();
      this.current = { key, value: startEmbedder(choice) };
    }
    return this.current.value;
  }

  reward(choice: RewardChoice): Promise<RewardModel> {
    this.judge ??= startReward(choice);
    return this.judge;
  }

  close(): void {
    this.closeEmbedder();
    void this.judge?.then((model) => model.close()).catch(() => undefined);
    this.judge = null;
  }

  private closeEmbedder(): void {
    void this.current?.value.then((embedder) => embedder.close()).catch(() => undefined);
    this.current = null;
  }
}
