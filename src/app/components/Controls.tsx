import { openLab, pause, start, stop } from '../actions.ts';
import { percent } from '../format.ts';
import { canStart, importing } from '../importing.ts';
import { staleFrom } from '../settings.ts';
import { activity, elsewhere, endedElsewhere, labAtWork, selected, started, view } from '../signals.ts';
import { STAGE_NAME } from '../stagetext.ts';
import { isFinished, overallShare } from '../state.ts';
import { Icon } from './Icon.tsx';

const ENDED = 'The other tab has stopped; Resume goes on here.';

/** The run is at work in another tab; what it does is followed here. */
function Elsewhere() {
  return (
    <section class="stack elsewhere" aria-live="polite" style={{ gap: '2px' }}>
      <p>
        <b>Running in another tab</b>, {percent(overallShare(view.value), 0)} done.
      </p>
      <p class="small muted">
        Pause or stop it there. When that tab has ended or is closed, it can be gone on with here.
      </p>
    </section>
  );
}

/** The one worker is busy with a lab; the run waits. */
function LabWorks() {
  const lab = labAtWork.value;
  return (
    <section class="stack elsewhere" aria-live="polite" style={{ gap: '2px' }}>
      <p>
        <b>A lab is at work</b>
        {lab !== null && `, ${percent(lab.share, 0)} done`}.
      </p>
      <p class="small muted">The run can go on when it has ended or is paused.</p>
      <p>
        <button type="button" class="link" onClick={() => openLab(lab?.id ?? '')}>
          Open the lab
        </button>
      </p>
    </section>
  );
}

/** Run all or Resume, Pause, Stop. Pausing and stopping both store everything that is finished. */
export function Controls() {
  const doing = activity.value;
  const idle = doing === 'idle';
  if (elsewhere.value) return <Elsewhere />;
  if (doing === 'lab') return <LabWorks />;
  const redo = staleFrom.value;
  const finished = isFinished(view.value) && redo === null;
  const ended = endedElsewhere.value !== null && endedElsewhere.value === view.value.manifest?.id;
  const label = redo !== null ? `Redo from ${STAGE_NAME[redo]}` : started.value ? 'Resume' : 'Run all';
  return (
    <div class="stack" style={{ gap: '6px' }}>
      <div class="controls">
        {canStart.value && !finished && (
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
        {idle && importing.value !== null && 'Waiting for the data'}
        {doing === 'starting' && 'Starting'}
        {(doing === 'pausing' || doing === 'stopping') && 'Stopping at a safe point'}
        {canStart.value &&
          started.value &&
          !finished &&
          (ended ? ENDED : 'Everything finished so far is stored.')}
      </p>
    </div>
  );
}
