import type { ComponentChildren } from 'preact';
import type { Stage } from '../../pipeline/types.ts';
import { start } from '../actions.ts';
import { Settings } from '../components/Settings.tsx';
import { duration, percent } from '../format.ts';
import { canStart } from '../importing.ts';
import { reading, view } from '../signals.ts';
import { STAGE_LEAD, STAGE_NAME, timeLeft } from '../stagetext.ts';

/** What all stages share: name, one sentence, progress, the stage's picture, its settings. */
export function Frame({ stage, children }: { stage: Stage; children?: ComponentChildren }) {
  const { state, progress, summary } = view.value.stages[stage];
  const seconds = view.value.manifest?.seconds[stage];
  const left = timeLeft(view.value, stage);
  const share = progress !== null && progress.total > 0 ? Math.min(1, progress.done / progress.total) : 0;
  return (
    <div class="page">
      <div class="stack" style={{ gap: '6px' }}>
        <div class="row spread">
          <h2 id="stage-title" tabIndex={-1}>
            {STAGE_NAME[stage]}
          </h2>
          <span class="row small muted">
            {state === 'done' && seconds !== undefined && <span>took {duration(seconds)}</span>}
            {state === 'running' && <span>{[percent(share, 0), left].filter(Boolean).join(' · ')}</span>}
            {state === 'waiting' && canStart.value && stage !== 'evaluate' && (
              <button type="button" class="button" onClick={() => void start(stage)}>
                Run up to here
              </button>
            )}
          </span>
        </div>
        <p class="lead">{STAGE_LEAD[stage]}</p>
        {summary !== '' && state === 'done' && stage !== 'evaluate' && stage !== 'dpo' && (
          <p class="muted">{summary}</p>
        )}
        {state === 'running' && (
          <div class="bar" aria-hidden="true">
            <i style={{ width: `${share * 100}%` }} />
          </div>
        )}
      </div>
      {children}
      <Settings stage={stage} />
    </div>
  );
}

/** Where a stage has nothing to show yet: what will be here. */
export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="empty">{reading.value ? 'Reading what is stored of this run.' : children}</p>;
}
