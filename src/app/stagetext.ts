/** What the page calls the stages, and the one figure of each that the rail shows. Pure. */
import type { RunConfig } from '../pipeline/config.ts';
import type { Stage } from '../pipeline/types.ts';
import { count, duration, figure, percent, plural, short } from './format.ts';
import { modelName } from './models/names.ts';
import type { RunView } from './state.ts';

export const STAGE_NAME: Readonly<Record<Stage, string>> = {
  model: 'Model',
  data: 'Data',
  sft: 'SFT',
  sample: 'Sample',
  filter: 'Filter',
  dpo: 'DPO',
  evaluate: 'Result',
};

/** What a stage does, in one sentence. */
export const STAGE_LEAD: Readonly<Record<Stage, string>> = {
  model: 'The small language model that is aligned, and the device it runs on.',
  data: 'Prompts with the answers you want. Some are held out and never trained on, to measure the result.',
  sft: 'Supervised fine-tuning teaches a small adapter to write the target answers. It is the starting point and the reference.',
  sample: 'The fine-tuned model answers every prompt many times. Its own answers will be the negatives.',
  filter:
    'Answers close in meaning to the target may be right, so they are left out. The rest are the pool of negatives.',
  dpo: 'Preference training raises the target above the negatives, many of them per prompt.',
  evaluate:
    'Base, fine-tuned and Self-Contrast model on the held-out prompts, which no stage has trained on.',
};

function first(values: readonly Readonly<Record<string, number>>[], name: string): number | undefined {
  return values.find((each) => each[name] !== undefined)?.[name];
}

function last(values: readonly Readonly<Record<string, unknown>>[], name: string): number | undefined {
  const value = values.findLast((each) => each[name] !== undefined)?.[name];
  return typeof value === 'number' ? value : undefined;
}

/** The stage's most telling figure, or an empty text where there is none yet. */
export function railFigure(view: RunView, stage: Stage): string {
  const { state, progress, summary } = view.stages[stage];
  const running = state === 'running';
  switch (stage) {
    case 'model':
      if (running && progress !== null && progress.total > 0)
        return `reading, ${percent(progress.done / progress.total, 0)}`;
      return view.model === null
        ? summary
        : `${view.model.name} · ${short(view.model.parameterCount)} parameters`;
    case 'data': {
      const { counts } = view;
      return counts === null
        ? summary
        : `${plural(counts.train, 'prompt')} · ${count(counts.heldOut)} held out${counts.refused > 0 ? ` · ${count(counts.refused)} refused` : ''}`;
    }
    case 'sft': {
      const values = view.metrics.sft.map((record) => record.values);
      const from = first(values, 'loss');
      const to = last(values, 'loss');
      return from === undefined || to === undefined ? summary : `loss ${figure(from)} → ${figure(to)}`;
    }
    case 'sample': {
      const answers = view.responses.reduce((sum, record) => sum + (record?.responses.length ?? 0), 0);
      if (running && progress !== null) {
        const rate = progress.figures.tokensPerSecond;
        const tail = rate === undefined ? '' : ` · ${short(Math.round(rate))} tok/s`;
        return `${count(Math.max(progress.done, answers))} / ${count(progress.total)}${tail}`;
      }
      return answers === 0 ? summary : plural(answers, 'answer');
    }
    case 'filter': {
      if (running && progress !== null)
        return `${count(progress.done)} / ${count(progress.total)} ${progress.unit}`;
      let kept = 0;
      let all = 0;
      for (const record of view.responses) {
        for (const response of record?.responses ?? []) {
          all++;
          if (response.kept === true) kept++;
        }
      }
      return state === 'done' && all > 0 ? `${count(kept)} of ${count(all)} in the pool` : summary;
    }
    case 'dpo': {
      // When it is done: of the adapter as it is, over all pairs; before that, of the last step's.
      const whole = state === 'done' ? view.manifest?.report?.stages.dpo : undefined;
      const values = whole === undefined ? view.metrics.dpo.map((record) => record.values) : [whole];
      const accuracy = last(values, 'rewardAccuracy');
      const margin = last(values, 'rewardMargin');
      if (accuracy === undefined || margin === undefined) return summary;
      return `margin ${figure(margin, 2)} · ${percent(accuracy, 0)} ranked right`;
    }
    case 'evaluate': {
      const held = view.manifest?.report?.evaluation.heldOut;
      const before = held?.sft?.accuracy;
      const after = held?.selfContrast?.accuracy;
      if (before !== undefined && after !== undefined) return `${percent(before)} → ${percent(after)} right`;
      const rate = view.manifest?.report?.evaluation.winRateVsSft ?? null;
      return rate === null ? summary : `wins ${percent(rate)} against SFT`;
    }
  }
}

/** Time left of a running stage, or an empty text. */
export function timeLeft(view: RunView, stage: Stage): string {
  const { state, progress } = view.stages[stage];
  const left = progress?.secondsLeft ?? null;
  return state === 'running' && left !== null ? `${duration(left)} left` : '';
}

/** What a stage is going to do with these settings, while it has nothing to show. */
export function railPlan(stage: Stage, config: RunConfig, rows: number | null): string {
  switch (stage) {
    case 'model':
      return modelName(config.model);
    case 'data':
      return rows === null ? '' : plural(rows, 'row');
    case 'sft':
      return config.sft.epochs === 0 ? 'skipped' : plural(config.sft.epochs, 'epoch');
    case 'sample':
      return `${plural(config.sample.n, 'answer')} a prompt`;
    case 'filter': {
      const { mode, percent: share } = config.filter;
      return mode === 'last' || mode === 'lastdedup' ? `the ${share} % least similar` : 'any answer';
    }
    case 'dpo':
      return `${plural(config.dpo.negatives, 'negative')} a prompt`;
    case 'evaluate':
      return config.data.heldOut === 0 ? 'nothing held out' : 'on held-out prompts';
  }
}
