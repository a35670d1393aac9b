import { pause, start, stop } from '../actions.ts';
import { staleFrom } from '../settings.ts';
import { activity, selected, started, view } from '../signals.ts';
import { STAGE_NAME } from '../stagetext.ts';
import { isFinished } from '../state.ts';
import { Icon } from './Icon.tsx';

/** Run all or Resume, Pause, Stop. Pausing and stopping both store everything that is finished. */
export function Controls() {
  const doing = activity.value;
  const idle = doing === 'idle';
  const redo = staleFrom.value;
  const finished = isFinished(view.value) && redo === null;
  const label = redo !== null ? `Redo from ${STAGE_NAME[redo]}` : started.value ? 'Resume' : 'Run all';
  return (
    <div class="stack" style={{ gap: '6px' }}>
      <div class="controls">
        {idle && !finished && (
          <button
            type="button"
            class={selected.value === null ? 'button' : 'button primary'}
            onClick={() => void start()}
          >
            <Icon name="play" /> {label}
          </button>
        )}
        {idle && finished && (
          <p class="small muted" style={{ padding: '4px 0' }}>
            The run is finished.
          </p>
        )}
        {!idle && doing !== 'importing' && (
          <>
            <button
              type="button"
              class="button"
              disabled={doing !== 'running'}
              data-tip="Stops at the next safe point, in a moment. The model stays loaded."
              onClick={() => void pause()}
            >
              <Icon name="pause" /> Pause
            </button>
            <button
              type="button"
              class="button"
              disabled={doing === 'stopping'}
              data-tip="Stops at the next safe point and gives the memory back. The run can be resumed later."
              onClick={() => void stop()}
            >
              <Icon name="stop" /> Stop
            </button>
          </>
        )}
      </div>
      <p class="small muted" style={{ padding: '0 8px', minHeight: '18px' }} aria-live="polite">
        {doing === 'importing' && 'Reading data'}
        {doing === 'starting' && 'Starting'}
        {(doing === 'pausing' || doing === 'stopping') && 'Stopping at a safe point'}
        {idle && started.value && !finished && 'Everything finished so far is stored.'}
      </p>
    </div>
  );
}
