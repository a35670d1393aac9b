/** What every stage is given, and how it tells of its progress. */
import type {
  AdapterWeights,
  LanguageModel,
  OptimiserSettings,
  SelfCheck,
  TextEmbedder,
} from '../engine/types.ts';
import type { MemoryChoice } from '../model/fit.ts';
import type { OptimiserConfig, RunConfig } from './config.ts';
import type { Limits } from './fit.ts';
import type { Progress, RunEvent, RunStore, Stage } from './types.ts';

export interface Context {
  readonly config: RunConfig;
  readonly model: LanguageModel;
  /** Opened on first use: most of its time the run does not need it. */
  readonly embedder: () => Promise<TextEmbedder>;
  /** Whether answers are embedded while others are sampled: the embedder computes beside the model. */
  readonly overlap?: boolean;
  /** The adapter that SFT starts from, where the settings name one; read when SFT begins. */
  readonly startAdapter?: () => Promise<AdapterWeights>;
  readonly store: RunStore;
  readonly emit: (event: RunEvent) => void;
  readonly signal: AbortSignal;
  /** What this device allows; where it is not given, usual memory is counted on and nothing is refused. */
  readonly limits?: Limits;
  /** What is traded for memory; known once the data are. */
  readonly memory?: MemoryChoice;
  /** Milliseconds, from anywhere. */
  readonly now: () => number;
  /** A self-check that other runs have passed, by its key. */
  readonly passedCheck?: (key: string) => Promise<SelfCheck | undefined>;
  /** Bytes that may still be stored; null where nobody knows. */
  readonly room?: () => Promise<number | null>;
}

export function optimiserOf(config: OptimiserConfig): OptimiserSettings {
  const { weightDecay, maxGradNorm } = config;
  return { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay, maxGradNorm };
}

/** Reports progress of one stage with its rate over this sitting; at most ten times a second. */
export class ProgressMeter {
  private readonly started: number;
  private last = Number.NEGATIVE_INFINITY;
  private readonly context: Context;
  private readonly stage: Stage;
  private readonly unit: string;
  private readonly total: number;
  /** Done before this sitting. */
  private readonly before: number;

  constructor(context: Context, stage: Stage, unit: string, total: number, before = 0) {
    this.context = context;
    this.stage = stage;
    this.unit = unit;
    this.total = total;
    this.before = before;
    this.started = context.now();
  }

  get seconds(): number {
    return (this.context.now() - this.started) / 1000;
  }

  update(done: number, figures: Readonly<Record<string, number>> = {}): void {
    const now = this.context.now();
    if (now - this.last < 100 && done < this.total) return;
    this.last = now;
    const rate = this.seconds > 0 ? (done - this.before) / this.seconds : 0;
    const progress: Progress = {
      stage: this.stage,
      done,
      total: this.total,
      unit: this.unit,
      rate,
      secondsLeft: rate > 0 ? (this.total - done) / rate : null,
      figures,
    };
    this.context.emit({ type: 'progress', progress });
  }
}
