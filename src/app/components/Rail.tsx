import { STAGES, type Stage } from '../../pipeline/types.ts';
import { openStage, setKeepAwake, setNotify } from '../actions.ts';
import { KeepLine } from '../runs/KeepLine.tsx';
import { config, staleFrom } from '../settings.ts';
import { keepAwake, labOpen, notify, records, runsOpen, selected, view } from '../signals.ts';
import { railFigure, railPlan, STAGE_NAME, timeLeft } from '../stagetext.ts';
import { stageStarted } from '../state.ts';
import { Controls } from './Controls.tsx';
import { DownloadLine } from './DownloadLine.tsx';
import { StateMark } from './Icon.tsx';

/** The method, always in sight: seven stages, what each has come to, and the controls. */
export function Rail() {
  return (
    <nav class="rail" aria-label="Stages of the run">
      <ol>
        {STAGES.map((stage, index) => (
          <li key={stage}>
            <StageLink stage={stage} number={index + 1} />
          </li>
        ))}
      </ol>
      <Controls />
      <DownloadLine />
      <KeepLine />
      <div class="options">
        <label class="check" data-tip="The screen does not go to sleep while a run is at work.">
          <input
            type="checkbox"
            checked={keepAwake.value}
            onChange={(event) => void setKeepAwake(event.currentTarget.checked)}
          />
          Keep the screen awake
        </label>
        <label
          class="check"
          data-tip="The browser shows a notification when the run ends or fails. It asks you once."
        >
          <input
            type="checkbox"
            checked={notify.value}
            onChange={(event) => void setNotify(event.currentTarget.checked)}
          />
          Notify me when done
        </label>
      </div>
    </nav>
  );
}

function StageLink({ stage, number }: { stage: Stage; number: number }) {
  const run = view.value;
  const { state, progress } = run.stages[stage];
  const from = staleFrom.value;
  const stale = from !== null && state === 'done' && STAGES.indexOf(stage) >= STAGES.indexOf(from);
  const share = progress !== null && progress.total > 0 ? Math.min(1, progress.done / progress.total) : 0;
  return (
    <button
      type="button"
      class="stage-link"
      aria-current={
        selected.value === stage && !runsOpen.value && labOpen.value === null ? 'page' : undefined
      }
      onClick={() => openStage(stage)}
    >
      <StateMark state={state} stale={stale} begun={stageStarted(run, stage)} />
      <span class="name">
        <i>{number}</i>
        {STAGE_NAME[stage]}
      </span>
      <span class="left">{stale ? 'to redo' : timeLeft(run, stage)}</span>
      <span class="what">
        {railFigure(run, stage) ||
          railPlan(stage, config.value, records.value.dataset?.info.counts.rows ?? null)}
      </span>
      {state === 'running' && (
        <span
          class="bar"
          role="progressbar"
          aria-valuenow={Math.round(share * 100)}
          aria-label={`${STAGE_NAME[stage]}`}
        >
          <i style={{ width: `${share * 100}%` }} />
        </span>
      )}
    </button>
  );
}
