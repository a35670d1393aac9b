/** How far a stage had come when the page was left, from what it has stored. Pure. */
import { totalSteps } from '../pipeline/train.ts';
import type { MetricRecord, Progress, RunManifest, Stage } from '../pipeline/types.ts';
import type { ShownResponses } from './state.ts';

export interface Counts {
  readonly train: number;
  readonly heldOut: number;
  readonly refused: number;
}

/** What is stored of a run, as far as it has come. */
export interface StoredRun {
  readonly manifest: RunManifest;
  readonly counts: Counts | null;
  readonly responses: readonly ShownResponses[];
  readonly sft: readonly MetricRecord[];
  readonly dpo: readonly MetricRecord[];
}

/** Null where the stage is done or has stored nothing that can be counted. */
export function storedProgress(stored: StoredRun, stage: Stage): Progress | null {
  const { manifest, counts, responses } = stored;
  if (counts === null || manifest.stages[stage] === 'done') return null;
  const { config } = manifest;
  switch (stage) {
    case 'sft':
    case 'dpo':
      return resting(
        stage,
        stored[stage].at(-1)?.step ?? 0,
        totalSteps(counts.train, config[stage]),
        'steps',
      );
    case 'sample': {
      const answers = responses.reduce((sum, record) => sum + record.responses.length, 0);
      return resting(stage, answers, counts.train * config.sample.n, 'responses');
    }
    default:
      return null;
  }
}

function resting(stage: Stage, done: number, total: number, unit: string): Progress | null {
  if (done === 0 || total === 0) return null;
  return { stage, done: Math.min(done, total), total, unit, rate: 0, secondsLeft: null, figures: {} };
}

/** The same work, taken up again: its speed is not known yet. */
export function takenUp(progress: Progress | null): Progress | null {
  return progress === null ? null : { ...progress, rate: 0, secondsLeft: null, figures: {} };
}
