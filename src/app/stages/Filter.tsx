import { useMemo, useState } from 'preact/hooks';
import { edit, markAnswer } from '../actions.ts';
import { Answers } from '../components/Answers.tsx';
import { Figures } from '../components/Figures.tsx';
import { Histogram } from '../components/Histogram.tsx';
import { PromptList } from '../components/PromptList.tsx';
import { changedKeys } from '../fields.ts';
import { count, percent, similarity } from '../format.ts';
import { binned, quantile, shareBelow } from '../histogram.ts';
import { ChosenEmbedder } from '../models/ChosenEmbedder.tsx';
import { answerRows, poolOfRun } from '../pool.ts';
import { config, savedConfig } from '../settings.ts';
import { busy, records, view } from '../signals.ts';
import { similarities } from '../state.ts';
import { Empty, Frame } from './Frame.tsx';

export function FilterStage() {
  const { responses } = view.value;
  const settings = config.value;
  const sorted = useMemo(() => Float64Array.from(similarities(responses)).sort(), [responses]);
  // Follows the handle at once: the same pure function that the filter stage runs.
  const pool = useMemo(
    () => poolOfRun(responses, settings.filter, settings.dpo.negatives),
    [responses, settings.filter, settings.dpo.negatives],
  );
  if (sorted.length === 0) {
    return (
      <Frame stage="filter">
        <Empty>
          A histogram of the similarity between every answer and its target, with the cut as a handle you can
          drag.
        </Empty>
        <ChosenEmbedder />
      </Frame>
    );
  }
  const cuts = settings.filter.mode === 'last' || settings.filter.mode === 'lastdedup';
  const setPercent = (value: number) => {
    const whole = Math.max(1, Math.min(100, Math.round(value)));
    edit({ ...settings, filter: { ...settings.filter, percent: whole } });
  };
  const values = [...sorted];
  return (
    <Frame stage="filter">
      <Figures
        items={[
          {
            label: 'In the pool',
            value: count(pool.kept),
            unit: `of ${count(pool.answers)} answers`,
            help: 'Answers that may become negatives: the least similar ones of each prompt.',
          },
          {
            label: 'Left out',
            value: count(pool.answers - pool.kept),
            help: 'Likely good answers, duplicates and empty ones.',
          },
          {
            label: 'Negatives',
            value: count(pool.negatives),
            unit: `${settings.dpo.negatives} a prompt`,
            help: 'Drawn from the pool at random, the same number for every prompt.',
          },
          {
            label: 'Prompts dropped',
            value: count(pool.dropped),
            unit: `of ${count(pool.prompts)}`,
            help: 'Prompts whose pool holds fewer answers than the negatives asked for.',
          },
        ]}
      />
      {pool.dropped === pool.prompts && (
        <p class="notice warn-box">
          No prompt keeps {settings.dpo.negatives} answers at this cut, so there would be nothing to train on.
          Keep a larger share, or ask for fewer negatives a prompt.
        </p>
      )}
      <section class="card">
        <header>
          <h3>Similarity to the target, all answers</h3>
          <span class="small muted">
            {cuts
              ? 'Drag the handle or use the arrow keys: that share of each prompt’s answers, the least similar, is kept.'
              : 'This mode keeps every answer; choose “Least similar” below to cut.'}
          </span>
        </header>
        <Histogram
          bins={binned([pool.keptSimilarities, pool.leftOutSimilarities], 48, [values[0] ?? 0, 1])}
          kinds={[
            { label: 'Kept as negatives’ pool', color: '--accent' },
            { label: 'Left out', color: '--line-strong', hatched: true },
          ]}
          axis="cosine similarity"
          format={(value) => similarity(value)}
          describe={`${count(pool.answers)} answers; median similarity ${similarity(quantile(values, 0.5))}; ${percent(pool.kept / Math.max(1, pool.answers), 0)} are kept.`}
          {...(cuts
            ? {
                handle: {
                  at: quantile(values, settings.filter.percent / 100),
                  percent: settings.filter.percent,
                  label: 'Share of answers kept, in per cent',
                  disabled: busy.value,
                  onDrag: (at: number) => setPercent(shareBelow(values, at) * 100),
                  onStep: setPercent,
                },
              }
            : {})}
        />
      </section>
      <OnePrompt />
      <ChosenEmbedder />
    </Frame>
  );
}

/** One prompt's answers, most similar first, under its target. */
function OnePrompt() {
  const { responses } = view.value;
  const { prepared, pairs } = records.value;
  const [chosen, setChosen] = useState<number | null>(null);
  const indices = useMemo(
    () => responses.flatMap((record) => (record === undefined ? [] : [record.index])),
    [responses],
  );
  const index = chosen ?? indices[0];
  const record = index === undefined ? undefined : responses[index];
  if (record === undefined) return null;
  const row = prepared?.train.at(record.index);
  const stale = changedKeys(savedConfig.value, config.value).some((key) => key.startsWith('filter.'));
  const rows = answerRows(record, stale ? [] : pairs, config.value.filter).sort(
    (a, b) => (b.response.similarity ?? -2) - (a.response.similarity ?? -2),
  );
  return (
    <section class="card">
      <header>
        <h3>One prompt’s answers by similarity</h3>
        <span class="small muted">
          Left out means: too close to the target to be called wrong, empty, or a duplicate.
        </span>
      </header>
      <div class="browser">
        <PromptList indices={indices} selected={record.index} onSelect={setChosen} />
        <div class="stack">
          <p class="text">
            <b>{row?.prompt ?? `Prompt ${record.index + 1}`}</b>
          </p>
          <Answers
            tall
            target={row?.target ?? ''}
            rows={rows}
            {...(busy.value ? {} : { onMark: (at: number) => void markAnswer(record.index, at) })}
          />
        </div>
      </div>
    </section>
  );
}
