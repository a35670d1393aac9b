import { useState } from 'preact/hooks';
import type { Arm } from '../../pipeline/types.ts';
import { Exports } from '../components/Exports.tsx';
import { Icon } from '../components/Icon.tsx';
import { Term } from '../components/Tip.tsx';
import { VirtualList } from '../components/VirtualList.tsx';
import { count, figure, percent, similarity } from '../format.ts';
import { records, view } from '../signals.ts';
import { ARM_NAME, ARMS, judgement } from '../verdict.ts';
import { Chat } from './Chat.tsx';
import { Empty, Frame } from './Frame.tsx';
import { ResultChart } from './ResultChart.tsx';

export function ResultStage() {
  const done = view.value.stages.evaluate.state === 'done';
  const report = done ? view.value.manifest?.report : undefined;
  const { warnings } = view.value;
  return (
    <Frame stage="evaluate">
      {report === undefined ? (
        <Empty>The three models side by side on held-out prompts, and the adapter to download.</Empty>
      ) : (
        <div class="row spread">
          <p style={{ maxWidth: '62ch' }}>{judgement(report)}</p>
          <Exports />
        </div>
      )}
      {report === undefined && view.value.stages.sft.state === 'done' && <Exports />}
      {warnings.length > 0 && (
        <section class="notice warn-box" aria-label="Warnings">
          <Icon name="warning" />
          <div class="stack">
            {warnings.map((warning) => (
              <p key={warning}>{warning}</p>
            ))}
          </div>
        </section>
      )}
      {report !== undefined && <Scores />}
      <HeldOutAnswers />
      <Chat />
    </Frame>
  );
}

function Scores() {
  const held = view.value.manifest?.report?.evaluation.heldOut ?? {};
  const arms = ARMS.flatMap((arm) => {
    const score = held[arm];
    return score === undefined ? [] : [{ arm, score }];
  });
  if (arms.length === 0) {
    return (
      <Empty>
        No prompts were held out, so nothing was measured. Hold some out in Data to see the effect.
      </Empty>
    );
  }
  const graded = arms.some(({ score }) => score.accuracy !== undefined);
  return (
    <section class="card">
      <header>
        <h3>On {count(arms[0]?.score.prompts ?? 0)} held-out prompts</h3>
        <span class="small muted">± is the standard error over prompts; the bars show 95 %</span>
      </header>
      <div class="columns">
        <div class="scroll-x">
          <table class="table scores">
            <thead>
              <tr>
                <th scope="col">Model</th>
                {graded && (
                  <th scope="col" class="num">
                    Right
                  </th>
                )}
                <th scope="col" class="num">
                  Similarity
                </th>
                <th scope="col" class="num">
                  <Term help="Mean log-probability of a token of the held-out targets; nearer to zero is more likely.">
                    Target logp
                  </Term>
                </th>
                <th scope="col" class="num">
                  Tokens
                </th>
              </tr>
            </thead>
            <tbody>
              {arms.map(({ arm, score }) => (
                <tr key={arm} class={`arm-${arm}`}>
                  <th scope="row">
                    <span class="arm">{ARM_NAME[arm]}</span>
                  </th>
                  {graded && (
                    <td class="num" data-label="Right">
                      {score.accuracy === undefined ? '–' : percent(score.accuracy)}
                      {score.accuracyError !== undefined && (
                        <span class="muted small"> ± {(score.accuracyError * 100).toFixed(1)}</span>
                      )}
                    </td>
                  )}
                  <td class="num" data-label="Similarity">
                    {similarity(score.similarity)}
                  </td>
                  <td class="num" data-label="Target logp">
                    {figure(score.targetLogProb)}
                  </td>
                  <td class="num" data-label="Tokens">
                    {figure(score.meanTokens)}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
        <ResultChart arms={arms} graded={graded} />
      </div>
    </section>
  );
}

function HeldOutAnswers() {
  const { answers } = records.value;
  const [chosen, setChosen] = useState(0);
  const [filter, setFilter] = useState<'all' | 'better' | 'worse'>('all');
  if (answers.length === 0) return null;
  const graded = answers.some((each) => each.answers.sft.correct !== undefined);
  const shown = answers.filter(({ answers: by }) => {
    if (filter === 'all') return true;
    const [from, to] = graded
      ? [Number(by.sft.correct ?? false), Number(by.selfContrast.correct ?? false)]
      : [by.sft.similarity ?? 0, by.selfContrast.similarity ?? 0];
    return filter === 'better' ? to > from : to < from;
  });
  const at = Math.min(chosen, shown.length - 1);
  const now = shown[at];
  return (
    <section class="card">
      <header>
        <h3>Held-out prompts, answered by all three</h3>
        <label class="row small muted">
          show
          <select
            class="input"
            style={{ width: 'auto' }}
            value={filter}
            onChange={(event) => {
              const value = event.currentTarget.value;
              setFilter(value === 'better' || value === 'worse' ? value : 'all');
              setChosen(0);
            }}
          >
            <option value="all">all</option>
            <option value="better">better than SFT</option>
            <option value="worse">worse than SFT</option>
          </select>
        </label>
      </header>
      {now === undefined ? (
        <p class="muted">None.</p>
      ) : (
        <div class="browser">
          <VirtualList
            label="Held-out prompts"
            count={shown.length}
            rowHeight={32}
            height={330}
            columns="1fr"
            selected={at}
            onSelect={setChosen}
            render={(index) => <span class="clip">{shown[index]?.prompt}</span>}
          />
          <div class="stack">
            <p class="text">
              <b>{now.prompt}</b>
            </p>
            {now.target !== undefined && (
              <p>
                <span class="mark good">
                  <Icon name="target" /> target
                </span>{' '}
                <span class="text">{now.target}</span>
              </p>
            )}
            {ARMS.map((arm) => (
              <ArmAnswer key={arm} arm={arm} {...now.answers[arm]} />
            ))}
          </div>
        </div>
      )}
    </section>
  );
}

function ArmAnswer(props: { arm: Arm; text: string; correct?: boolean; similarity?: number }) {
  const { arm, text, correct } = props;
  return (
    <div class={`arm-${arm}`} style={{ borderLeft: '2px solid var(--arm)', paddingLeft: '10px' }}>
      <div class="row">
        <span class="arm">{ARM_NAME[arm]}</span>
        {correct !== undefined && (
          <span class={correct ? 'mark good' : 'mark bad'}>
            <Icon name={correct ? 'check' : 'cross'} /> {correct ? 'right' : 'wrong'}
          </span>
        )}
        {props.similarity !== undefined && (
          <span class="small muted">similarity {similarity(props.similarity)}</span>
        )}
      </div>
      <p class="text">{text === '' ? '(empty)' : text}</p>
    </div>
  );
}
