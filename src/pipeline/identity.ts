/** A run goes on only with the model and the embedder it began with: anything else would mix two results. */
import type { EmbedderInfo, ModelInfo, TextEmbedder } from '../engine/types.ts';
import type { Context } from './context.ts';
import { COMPUTED, type RunManifest } from './types.ts';

/** The model or the embedder is not the one whose results are stored. Nothing was changed. */
export class IdentityError extends Error {
  override name = 'IdentityError';
}

const short = (fingerprint: string): string => fingerprint.slice(0, 12);

/** @throws IdentityError where `stored`, the model a run began with, is another than `now` */
export function checkModel(stored: ModelInfo | undefined, now: ModelInfo): void {
  if (stored === undefined) return;
  if (stored.fingerprint === now.fingerprint) {
    // Runs of version 0.2 and before did not keep it.
    if (stored.textFingerprint === undefined || stored.textFingerprint === now.textFingerprint) return;
    throw new IdentityError(
      `this run began with another tokenizer or chat template of the model ${stored.name} (SHA-256 ${short(stored.textFingerprint)} ...): the files tokenizer.json, tokenizer_config.json, chat_template.jinja and generation_config.json are not what they were, and what is tokenized already would not fit. Put the first ones back and resume, or begin a new run.`,
    );
  }
  throw new IdentityError(
    `this run began with the model ${stored.name} (SHA-256 ${short(stored.fingerprint)} ...), but what is under that name now is another one (${now.name}, ${short(now.fingerprint)} ...). Put the first one back and resume, or begin a new run.`,
  );
}

/**
 * Weights of another precision are another model as soon as something was computed with them.
 *
 * @throws IdentityError
 */
export function checkPrecision(
  { model: stored, stages, seconds }: Pick<RunManifest, 'model' | 'stages' | 'seconds'>,
  now: ModelInfo,
): void {
  if (stored === undefined) return;
  // A stage that was stopped waits, but has taken time.
  const begun = COMPUTED.some((name) => stages[name] !== 'waiting' || seconds[name] !== undefined);
  const [before, after] = [stored.precision ?? 'f32', now.precision ?? 'f32'];
  if (!begun || before === after) return;
  throw new IdentityError(
    `this run began with the weights of ${stored.name} kept as ${before}, but this device and these settings keep them as ${after}, and results of both would mix. Resume where ${before} is kept (a GPU without float16 keeps f16 as f32, WebAssembly keeps f16), or begin a new run.`,
  );
}

function otherEmbedder(stored: EmbedderInfo, now: EmbedderInfo): IdentityError {
  return new IdentityError(
    `the similarities of this run come from the embedder ${stored.name} (SHA-256 ${short(stored.fingerprint)} ...), but what is under that name now is another one (${now.name}, ${short(now.fingerprint)} ...). Put the first one back and resume, or redo the run from the filter.`,
  );
}

/**
 * The run's embedder, checked against the one whose similarities are stored. Where none is named yet, or nothing was
 * made of its similarities (the filter is not begun, or to be redone), `forget` removes older similarities before this
 * one is named, so that a similarity in the store is always the named embedder's.
 *
 * @throws IdentityError
 */
export async function sameEmbedder(context: Context, forget: () => Promise<void>): Promise<TextEmbedder> {
  const { store } = context;
  const embedder = await context.embedder();
  const { embedder: stored, stages, seconds } = await store.manifest();
  if (stored?.fingerprint === embedder.info.fingerprint) return embedder;
  // A stage that was stopped has taken time.
  const begun = stages.filter === 'done' || seconds.filter !== undefined;
  if (stored !== undefined && begun) throw otherEmbedder(stored, embedder.info);
  await forget();
  await store.saveManifest({ ...(await store.manifest()), embedder: embedder.info });
  return embedder;
}
