/** Training that met a number that is none: what is kept, the likely reasons, and what to do, in words. */
import type { BackendName } from '../engine/types.ts';
import { NonFiniteError, nonFiniteText } from '../model/non-finite.ts';
import type { Precision } from '../model/precision.ts';
import { arithmeticOf } from '../model/self-check.ts';
import type { OptimiserConfig } from './config.ts';
import { RISEN } from './thresholds.ts';

export interface Divergence {
  readonly stage: 'sft' | 'dpo';
  readonly settings: OptimiserConfig;
  /** Number of the step that gave no number, from 1. */
  readonly failed: number;
  /** Steps whose result is stored: the last one from which all was finite; null where none of this sitting was. */
  readonly kept: number | null;
  /** Losses of the steps that are kept, in order. */
  readonly losses: readonly number[];
  readonly precision: Precision;
  readonly backend: BackendName;
}

/** The error as the run stores it. */
export function diverged(error: NonFiniteError, divergence: Divergence): NonFiniteError {
  const { failed, kept } = divergence;
  const state =
    kept === null
      ? 'Nothing was changed by it.'
      : `The state after step ${kept}, the last from which everything was a number, is stored.`;
  const reasons = [
    ...overflow(error, divergence),
    ...(kept === null ? atOnce(error, divergence) : rising(divergence)),
  ];
  return new NonFiniteError(error, {
    message: `step ${failed}: ${nonFiniteText(error)}. ${state} ${reasons[0] ?? ''}`.trim(),
    reasons,
    offer: kept !== null ? 'lower-rate' : divergence.backend === 'webgpu' ? 'wasm' : undefined,
    cause: error,
  });
}

/** Half precision ends at 65,504. */
function overflow({ place }: NonFiniteError, { backend, precision }: Divergence): string[] {
  if (arithmeticOf(backend, precision) !== 'half' || place === null) return [];
  return [
    `float16 holds numbers up to 65,504, and ${place} went beyond that: choose the precision f32 or q8.`,
  ];
}

/** A tenth: far enough from what diverged to be worth a try. */
export const lowerRate = (rate: number): number => Number((rate / 10).toPrecision(2));

/** It went well before: training itself has led there. */
function rising({ stage, settings, losses }: Divergence): string[] {
  const { learningRate, maxGradNorm } = settings;
  const [first = 0, last = first] = [losses[0], losses.at(-1)];
  return [
    `The learning rate is too high (${stage}.learningRate ${learningRate}): set a lower one, e.g. ${lowerRate(learningRate)}, and resume.`,
    ...(last > RISEN * first
      ? [
          `The loss had risen from ${first.toPrecision(3)} to ${last.toPrecision(3)} before: rather redo the stage from its beginning than resume.`,
        ]
      : []),
    ...(maxGradNorm === 0 ? [`Gradients are not clipped: set ${stage}.maxGradNorm to 1.`] : []),
  ];
}

/** The first step of a sitting: what it began with is wrong. */
function atOnce({ what, place }: NonFiniteError, { stage, failed, backend }: Divergence): string[] {
  const device =
    backend === 'webgpu' ? ['The graphics driver computes wrong numbers: choose WebAssembly.'] : [];
  if (what === 'loss') {
    return [
      stage === 'dpo'
        ? 'Stored log-probabilities of the answers are no numbers: redo the run from sampling.'
        : 'A target has no tokens, or the loss settings are out of bounds.',
      ...device,
    ];
  }
  return [
    failed > 1
      ? `What was stored after step ${failed - 1} had diverged already: redo the stage with a lower ${stage}.learningRate.`
      : `What the stage begins with gives no numbers${place === null ? '' : ` (${place})`}: the start adapter, the stage before or the weights are damaged.`,
    ...device,
  ];
}
