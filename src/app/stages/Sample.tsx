import { useState } from 'preact/hooks';
import { Answers } from '../components/Answers.tsx';
import { Figures } from '../components/Figures.tsx';
import { PromptList } from '../components/PromptList.tsx';
import { count, duration, figure, short } from '../format.ts';
import { answerRows } from '../pool.ts';
import { records, view } from '../signals.ts';
import { Empty, Frame } from './Frame.tsx';

export function SampleStage() {
  const run = view.value;
  const { state, progress } = run.stages.sample;
  const { prepared, pairs } = records.value;
  const [chosen, setChosen] = useState<number | null>(null);
  const done = run.responses.flatMap((record) => (record === undefined ? [] : [record.index]));
  const following = chosen === null && state === 'running';
  const index = chosen ?? (following ? run.latest : null) ?? done[0] ?? null;
  const record = index === null ? undefined : run.responses[index];
  const row = index === null ? undefined : prepared?.train.at(index);
  const rate = progress?.figures.tokensPerSecond;
  const compared = progress?.figures.compared;
  const answers = run.responses.reduce((sum, each) => sum + (each?.responses.length ?? 0), 0);
  return (
    <Frame stage="sample">
      {(answers > 0 || progress !== null) && (
        <Figures
          items={[
            { label: 'Answers', value: count(answers) },
            {
              label: 'Prompts',
              value: count(done.length),
              unit: prepared === null ? '' : `of ${count(prepared.train.length)}`,
            },
            ...(rate === undefined
              ? []
              : [{ label: 'Rate', value: short(Math.round(rate)), unit: 'tokens/s' }]),
            ...(compared === undefined || state !== 'running'
              ? []
              : [{ label: 'Compared', value: count(compared), unit: 'prompts' }]),
            ...(progress !== null && progress.rate > 0 && state === 'running'
              ? [{ label: 'Speed', value: figure(progress.rate), unit: `${progress.unit}/s` }]
              : []),
            ...(state === 'running' && progress?.secondsLeft != null
              ? [{ label: 'Time left', value: duration(progress.secondsLeft) }]
              : []),
          ]}
        />
      )}
      {record === undefined ? (
        <Empty>Prompts and their answers appear here as they arrive.</Empty>
      ) : (
        <section class="card">
          <header>
            <h3>{following ? 'Arriving now' : 'Answers'}</h3>
            {state === 'running' && chosen !== null && (
              <button type="button" class="link small" onClick={() => setChosen(null)}>
                Follow what arrives
              </button>
            )}
          </header>
          <div class="browser">
            <PromptList indices={done} selected={index} onSelect={setChosen} />
            <div class="stack" aria-live="off">
              <p class="text">
                <b>{row?.prompt ?? `Prompt ${record.index + 1}`}</b>
              </p>
              <Answers tall target={row?.target ?? ''} rows={answerRows(record, pairs)} />
            </div>
          </div>
        </section>
      )}
    </Frame>
  );
}
