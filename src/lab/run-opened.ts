/** What pieces are computed with: the model and the embedder of their settings, the data in tokens, memory.* */
import type { TextEmbedder } from '../engine/types.ts';
import type { MemoryChoice } from '../model/fit.ts';
import type { RunConfig } from '../pipeline/config.ts';
import type { Context } from '../pipeline/context.ts';
import { checkFit, lengthsOf, memoryOf, plan, roomOf } from '../pipeline/fit.ts';
import { checkModel, IdentityError } from '../pipeline/identity.ts';
import { checkDevice } from '../pipeline/trust.ts';
import type { PreparedData, RunManifest, RunStore } from '../pipeline/types.ts';
import { keyOf } from './keys.ts';
import { composed, type Places } from './pieces.ts';
import type { LabContext } from './run.ts';
import type { ManifestKeeper } from './run-manifest.ts';
import type { LabManifest } from './types.ts';
import { openKey, type Work } from './work.ts';

type Opened = Awaited<ReturnType<LabContext['open']>>;

/** Stage functions look at states only to know whether results are there to be mixed with; a lab looks by itself. */
const WAITING: RunManifest['stages'] = {
  model: 'done',
  data: 'done',
  sft: 'waiting',
  sample: 'waiting',
  filter: 'waiting',
  dpo: 'waiting',
  evaluate: 'waiting',
};

export class Workbench {
  private opened: { readonly key: string; readonly value: Opened } | null = null;
  private readonly trusted = new Set<string>();
  private data: { readonly key: string; readonly value: PreparedData } | null = null;

  constructor(
    readonly context: LabContext,
    private readonly keeper: ManifestKeeper,
    private readonly works: readonly Work[],
  ) {}

  /** The model of these settings; what is found out about the lab's own is stored, and checked in later sittings. */
  async open(config: RunConfig): Promise<Opened> {
    const key = keyOf([openKey(config), config.embedder, config.embedderPooling]);
    if (this.opened?.key === key) return this.opened.value;
    const value = await this.context.open(config);
    const manifest = await this.keeper.read();
    if (openKey(config) === openKey(manifest.config)) await this.identify(manifest, value);
    await this.trust(value, config);
    this.opened = { key, value };
    return value;
  }

  /** A graphics device is trusted once it has computed a small batch rightly; WebAssembly is the same everywhere. */
  private async trust({ model }: Opened, { lora }: RunConfig): Promise<void> {
    if (model.device.backend !== 'webgpu' || this.trusted.has(model.checkKey)) return;
    await checkDevice(model, lora, this.context.signal);
    this.trusted.add(model.checkKey);
  }

  private async identify(manifest: LabManifest, { model }: Opened): Promise<void> {
    checkModel(manifest.model, model.info);
    const [before, after] = [manifest.model?.precision ?? 'f32', model.info.precision ?? 'f32'];
    if (manifest.model && before !== after)
      throw new IdentityError(
        `this lab began with the weights of ${manifest.model.name} kept as ${before}, but this device keeps them as ${after}, and results of both would mix. Resume where ${before} is kept, or begin a new lab.`,
      );
    const { device } = manifest;
    // What fits one kind of device need not fit the other.
    const same = device?.backend === model.device.backend;
    await this.keeper.change(({ memory, ...rest }) => ({
      ...rest,
      model: model.info,
      device: model.device,
      ...(same && memory && { memory }),
    }));
  }

  /** The embedder of these settings, checked against the one that the lab's similarities come from. */
  private async embedder(config: RunConfig, open: () => Promise<TextEmbedder>): Promise<TextEmbedder> {
    const embedder = await open();
    const manifest = await this.keeper.read();
    const own =
      config.embedder === manifest.config.embedder &&
      config.embedderPooling === manifest.config.embedderPooling;
    if (!own || manifest.embedder?.fingerprint === embedder.info.fingerprint) return embedder;
    if (manifest.embedder)
      throw new IdentityError(
        `the similarities of this lab come from the embedder ${manifest.embedder.name}, but what is under that name now is another one (${embedder.info.name}). Put the first one back and resume, or begin a new lab.`,
      );
    await this.keeper.change((before) => ({ ...before, embedder: embedder.info }));
    return embedder;
  }

  /** Of a data piece that is done. */
  async prepared(key: string): Promise<PreparedData> {
    if (this.data?.key === key) return this.data.value;
    const value = await this.context.store.piece(key).prepared();
    if (!value) throw new Error('internal: the data piece left nothing');
    this.data = { key, value };
    return value;
  }

  /**
   * What a stage function is given for a piece.
   *
   * @param places where its records lie; its own and the data's are there already
   */
  async stageContext(
    work: Work,
    data: PreparedData,
    dataKey: string,
    places: Partial<Places>,
    emit: Context['emit'],
  ): Promise<Context> {
    const { context } = this;
    const { model, embedder, overlap, limits, startAdapter } = await this.open(work.config);
    const memory = await this.memory(work.config, data);
    const { store, signal, now, room } = context;
    const parts = { own: store.piece(work.key), data: store.piece(dataKey), ...places };
    const { id, name, created, datasetId } = await this.keeper.read();
    // Named when the stage opens it, which it does before it looks whose similarities there are.
    let manifest: RunManifest = {
      ...{ id, name, created, datasetId, config: work.config, stages: WAITING, seconds: {}, memory },
      model: model.info,
      device: model.device,
    };
    const stageStore: RunStore = composed(parts, {
      read: () => manifest,
      keep: (next) => {
        manifest = next;
      },
    });
    return {
      ...{ config: work.config, model, store: stageStore, emit, signal, now, memory },
      embedder: async () => {
        const opened = await this.embedder(work.config, embedder);
        manifest = { ...manifest, embedder: opened.info };
        return opened;
      },
      ...(overlap !== undefined && { overlap }),
      ...(limits && { limits }),
      ...(room && { room }),
      ...(startAdapter && work.config.adapter !== 'none' && { startAdapter }),
    };
  }

  /**
   * memory.* for a piece: that of the most demanding piece with the same model and adapter, so that pieces that are
   * shared do not depend on whom they are shared with.
   */
  private async memory(config: RunConfig, data: PreparedData): Promise<MemoryChoice> {
    const manifest = await this.keeper.read();
    const own = groupKey(config) === groupKey(manifest.config);
    if (own && manifest.memory) return manifest.memory;
    const { model, limits } = await this.open(config);
    const backend = model.device.backend === 'webgpu' ? 'webgpu' : 'wasm';
    const precision = model.info.precision ?? 'f32';
    const most = mostDemanding(config, this.works);
    const room = limits && roomOf(limits);
    const memory = memoryOf(model.config, most, lengthsOf(data), precision, backend, room);
    if (own) await this.keeper.change((before) => ({ ...before, memory }));
    return memory;
  }

  /** @throws FitError where the largest of the pieces with this model does not fit the device */
  async checkFit(config: RunConfig, data: PreparedData): Promise<void> {
    const { model, limits } = await this.open(config);
    if (limits) checkFit(plan(model.config, mostDemanding(config, this.works), lengthsOf(data), limits));
  }
}

/** Pieces of one group have the same memory.*. */
export const groupKey = (config: RunConfig): string => keyOf([openKey(config), config.lora, config.memory]);

/** Settings that need as much memory as any of the pieces with the same model and adapter. */
export function mostDemanding(config: RunConfig, works: readonly Work[]): RunConfig {
  const group = groupKey(config);
  const all = [config, ...works.map((work) => work.config).filter((other) => groupKey(other) === group)];
  const most = (value: (config: RunConfig) => number) => Math.max(...all.map(value));
  return {
    ...config,
    sft: { ...config.sft, batch: most(({ sft }) => sft.batch) },
    dpo: {
      ...config.dpo,
      batch: most(({ dpo }) => dpo.batch),
      epochs: most(({ dpo }) => dpo.epochs),
      negatives: most(({ dpo }) => dpo.negatives),
    },
    sample: {
      ...config.sample,
      n: most(({ sample }) => sample.n),
      maxTokens: most(({ sample }) => sample.maxTokens),
    },
  };
}
