import { pauseLab, startLab, stopLab } from '../actions/lab-run.ts';
import { Icon } from '../components/Icon.tsx';
import { percent } from '../format.ts';
import { activity, labAtWork, working } from '../signals.ts';
import { atWork, doing, estimating, lab, labElsewhere } from './signals.ts';
import { type LabStatus, roughly } from './state.ts';

/** Start or Resume, Pause, Stop; and why not, where something else is at work. */
export function LabControls({ status }: { status: LabStatus }) {
  if (labElsewhere.value) {
    return (
      <p class="notice" aria-live="polite">
        <span>
          <b>At work in another tab.</b> Pause it there; when that tab has ended, it can go on here.
        </span>
      </p>
    );
  }
  if (atWork.value) return <Working />;
  if (status === 'new' || status === 'finished') return <Elsewhere />;
  const off = working.value;
  return (
    <>
      <div class="row">
        <button type="button" class="button primary" disabled={off} onClick={() => void startLab()}>
          <Icon name="play" /> {status === 'failed' ? 'Try the failed again' : 'Resume'}
        </button>
        <span class="small muted">
          {status === 'failed'
            ? 'What is done stays as it is.'
            : 'Everything finished so far is stored; it goes on where it stopped.'}
        </span>
      </div>
      <Elsewhere />
    </>
  );
}

/** The worker is busy with something else. */
export function Elsewhere() {
  if (!working.value || atWork.value) return null;
  const other = labAtWork.value;
  const measuring = estimating.value?.measuring === true;
  const what =
    activity.value !== 'lab' ? 'The run' : other !== null ? `The lab “${other.name}”` : 'The measurement';
  return (
    <p class="notice" aria-live="polite">
      <span>
        {what} is at work, and there is one worker for both.{' '}
        {measuring ? 'It ends by itself.' : 'Pause it, or wait until it has ended.'}
      </span>
    </p>
  );
}

function Working() {
  const { progress } = lab.value;
  const state = doing.value;
  return (
    <div class="stack" style={{ gap: '8px' }}>
      <div class="row">
        <button
          type="button"
          class="button"
          disabled={state !== 'working'}
          data-tip="Stops at the next safe point, in a moment. The model stays loaded."
          onClick={() => void pauseLab()}
        >
          <Icon name="pause" /> Pause
        </button>
        <button
          type="button"
          class="button"
          disabled={state === 'stopping'}
          data-tip="Stops at the next safe point and gives the memory back. The lab can be resumed later."
          onClick={() => void stopLab()}
        >
          <Icon name="stop" /> Stop
        </button>
        <span class="small muted" aria-live="polite">
          {state === 'working' ? '' : 'Stopping at a safe point'}
        </span>
      </div>
      {progress !== null && (
        <>
          <progress
            class="lab-progress"
            max={1}
            value={progress.share}
            aria-label={`The whole lab, ${percent(progress.share, 0)}`}
          />
          <p class="small muted">
            {[
              `${percent(progress.share, 0)} of the whole`,
              progress.secondsLeft === null ? '' : `about ${roughly(progress.secondsLeft)} left`,
              `${progress.piecesDone} of ${progress.pieces} pieces done`,
            ]
              .filter(Boolean)
              .join(' · ')}
          </p>
        </>
      )}
    </div>
  );
}
