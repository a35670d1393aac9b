/** Learning rates as a pure function of the step. */
export type ScheduleName = 'cosine' | 'linear' | 'constant';

export interface Schedule {
  readonly name: ScheduleName;
  /** The largest rate. */
  readonly learningRate: number;
  /** Share of the steps spent rising to it. */
  readonly warmup: number;
  readonly totalSteps: number;
}

/**
 * Rate of step `step`, counted from 0. Step i of w warm-up steps has (i + 1) / w of the rate, so that no step
 * is spent at rate 0; then cosine or linear towards 0, which would be reached one step after the last.
 *
 * @throws RangeError for a step outside 0..totalSteps - 1
 */
export function learningRate(schedule: Schedule, step: number): number {
  const { name, learningRate: peak, warmup, totalSteps } = schedule;
  if (!Number.isInteger(step) || step < 0 || step >= totalSteps) {
    throw new RangeError(`internal: step ${step} of ${totalSteps}`);
  }
  const rising = Math.round(warmup * totalSteps);
  if (step < rising) return (peak * (step + 1)) / rising;
  const share = (step - rising) / (totalSteps - rising);
  switch (name) {
    case 'cosine':
      return (peak * (1 + Math.cos(Math.PI * share))) / 2;
    case 'linear':
      return peak * (1 - share);
    case 'constant':
      return peak;
  }
}
