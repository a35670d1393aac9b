/** Whether the device is trusted with the run: a self-check once a device, browser, model and precision. */
import type { LanguageModel, LoraConfig, SelfCheck } from '../engine/types.ts';
import { AdvisedError } from '../model/advised.ts';
import { type Context, ProgressMeter } from './context.ts';
import { COMPUTED } from './types.ts';

/** The device failed the self-check. Nothing was computed on it that is kept. */
export class SelfCheckError extends AdvisedError {
  override name = 'SelfCheckError';
}

/** A run that goes on with another device or precision than it was checked for does its first stage again. */
export async function doubtDevice({ store, model }: Context): Promise<void> {
  const manifest = await store.manifest();
  const { stages, selfCheck } = manifest;
  if (stages.model !== 'done' || COMPUTED.every((name) => stages[name] === 'done')) return;
  if (selfCheck?.passed && selfCheck.key === model.checkKey) return;
  await store.saveManifest({ ...manifest, stages: { ...stages, model: 'waiting' } });
}

/** @throws SelfCheckError, after storing what was found */
export async function trustDevice(context: Context): Promise<void> {
  const { model, store, emit, passedCheck } = context;
  const { selfCheck: own } = await store.manifest();
  const known = own?.passed && own.key === model.checkKey ? own : await passedCheck?.(model.checkKey);
  const check = known ?? (await performed(context));
  await store.saveManifest({ ...(await store.manifest()), selfCheck: check });
  emit({ type: 'self-check', check });
  if (!check.passed) throw new SelfCheckError(said(check), { offer: check.offer });
}

/**
 * Whether a model's device computes rightly, for work that is no run and stores no check.
 *
 * @throws SelfCheckError
 */
export async function checkDevice(
  model: LanguageModel,
  lora: LoraConfig,
  signal: AbortSignal,
): Promise<void> {
  const check = await model.selfCheck(lora, { signal });
  if (!check.passed) throw new SelfCheckError(said(check), { offer: check.offer });
}

function performed(context: Context): Promise<SelfCheck> {
  let meter: ProgressMeter | undefined;
  return context.model.selfCheck(context.config.lora, {
    signal: context.signal,
    onProgress: (done, total) => {
      meter ??= new ProgressMeter(context, 'model', 'checks', total);
      meter.update(done);
    },
  });
}

const said = ({ problem, advice }: SelfCheck): string =>
  `the self-check failed: ${problem ?? 'for no reason given'}. ${advice ?? ''}`.trim();
