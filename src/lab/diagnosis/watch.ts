/** Failure signs that show while an arm trains: of each stage, each sign once. */
import { chosenFell, RISEN } from '../../pipeline/thresholds.ts';
import type { MetricRecord } from '../../pipeline/types.ts';
import type { Sign } from '../types.ts';
import { EARLY, sign, TOO_EASY, WINDOW } from './signs.ts';

export interface WatchOptions {
  /** dpo.beta: rewards are beta times what log-probabilities have moved. */
  readonly beta: number;
  /** Of the stage; where nobody knows them, nothing counts as early. */
  readonly totalSteps?: number;
}

/**
 * Looks at every step of a stage in order. A resumed stage may begin in the middle: the first losses are then the first
 * seen.
 */
export class SignWatch {
  private stage: MetricRecord['stage'] | null = null;
  private recent: MetricRecord[] = [];
  private readonly first: number[] = [];
  private readonly told = new Set<Sign['id']>();

  constructor(private readonly options: WatchOptions) {}

  /** The first sign that this step shows, if it was not told before. */
  see(metric: MetricRecord): Sign | null {
    if (metric.stage !== this.stage) this.begin(metric.stage);
    this.recent = [...this.recent, metric].slice(-WINDOW);
    const { loss } = metric.values;
    if (this.first.length < WINDOW && loss !== undefined) this.first.push(loss);
    const seen = [this.diverged(metric), this.chosenFalls(metric), this.easyNegatives(metric)];
    const news = seen.find((found) => found !== null && !this.told.has(found.id)) ?? null;
    if (news) this.told.add(news.id);
    return news;
  }

  private begin(stage: MetricRecord['stage']): void {
    this.stage = stage;
    this.recent = [];
    this.first.length = 0;
    this.told.clear();
  }

  /** Mean of a figure over the last steps; null where there are too few of them. */
  private mean(of: (values: MetricRecord['values']) => number | undefined): number | null {
    const values = this.recent.flatMap(({ values }) => of(values) ?? []);
    return values.length < WINDOW ? null : values.reduce((a, b) => a + b, 0) / values.length;
  }

  private diverged({ step, values }: MetricRecord): Sign | null {
    const broken = Object.entries(values).find(([, x]) => !Number.isFinite(x));
    if (broken) return sign('diverged', 'seen', `Step ${step}: ${broken[0]} is ${broken[1]}.`);
    const now = this.mean(({ loss }) => loss);
    const before = this.first.reduce((a, b) => a + b, 0) / this.first.length;
    if (now === null || now <= RISEN * before) return null;
    return sign(
      'diverged',
      'seen',
      `Step ${step}: the loss has risen from ${before.toPrecision(3)} to ${now.toPrecision(3)}.`,
    );
  }

  private chosenFalls({ step }: MetricRecord): Sign | null {
    const after = this.mean(({ chosenLogp }) => chosenLogp);
    const reward = this.mean(({ rewardChosen }) => rewardChosen);
    if (after === null || reward === null) return null;
    const before = after - reward / this.options.beta;
    if (!chosenFell(before, after)) return null;
    return sign(
      'chosen-falls',
      'seen',
      `Step ${step}: the log-probability of targets went from ${before.toFixed(1)} to ${after.toFixed(1)}.`,
    );
  }

  private easyNegatives({ step }: MetricRecord): Sign | null {
    const { totalSteps } = this.options;
    const accuracy = this.mean(({ rewardAccuracy }) => rewardAccuracy);
    if (totalSteps === undefined || accuracy === null) return null;
    if (step > EARLY * totalSteps || accuracy <= TOO_EASY) return null;
    return sign(
      'easy-negatives',
      'seen',
      `Step ${step} of ${totalSteps}: ${(100 * accuracy).toFixed(1)} % of pairs are told apart already.`,
    );
  }
}
