import { useEffect } from 'preact/hooks';
import type { Suspect } from '../../lab/worker-api.ts';
import { markOf, markSuspect, readSuspects } from '../actions/lab-marks.ts';
import { startLab } from '../actions/lab-run.ts';
import { plural, similarity } from '../format.ts';
import { working } from '../signals.ts';
import { lab, labElsewhere, suspects } from './signals.ts';

/** The kept answers most similar to their target: those that are as good are marked, and are no negatives any more. */
export function Marks() {
  const list = suspects.value;
  const marks = lab.value.manifest?.marks ?? [];
  useEffect(() => void readSuspects(), [list === null]);
  const marked = (suspect: Suspect): boolean => {
    const { prompt, text } = markOf(suspect);
    return marks.some((mark) => mark.prompt === prompt && mark.text === text);
  };
  // What the arms were computed with is what the list was read with.
  const changed = (list ?? []).some((suspect) => marked(suspect) !== suspect.marked);
  const off = working.value || labElsewhere.value;
  return (
    <section class="card" aria-label="False negatives by hand">
      <header>
        <h3>False negatives by hand</h3>
        <span class="small muted">{marks.length > 0 && `${plural(marks.length, 'answer')} marked`}</span>
      </header>
      <p>
        These answers were kept as negatives although they are close to the target. Mark those that are as
        good: no arm takes them as negatives any more.
      </p>
      <div class="row">
        <button
          type="button"
          class="button primary"
          disabled={!changed || off}
          onClick={() => void startLab()}
        >
          Run again from here
        </button>
        <span class="small muted" aria-live="polite">
          {changed
            ? 'What depends on the negatives is done again; SFT and the answers stay.'
            : 'Nothing was changed since the arms were computed.'}
        </span>
      </div>
      {list === null && <p class="muted">Reading the answers.</p>}
      {list?.length === 0 && <p class="muted">No answer was kept as a negative.</p>}
      {list !== null && list.length > 0 && (
        <ul class="suspects">
          {list.map((suspect, i) => (
            <li key={i}>
              <label class="check suspect">
                <input
                  type="checkbox"
                  checked={marked(suspect)}
                  disabled={off}
                  onChange={(event) => void markSuspect(suspect, event.currentTarget.checked)}
                />
                <span class="sr">As good as the target</span>
                <span class="stack">
                  <span class="small muted">
                    <bdi>{suspect.prompt}</bdi>
                  </span>
                  <span class="text">
                    <bdi>{suspect.text}</bdi>
                  </span>
                  <span class="small muted">
                    target: <bdi>{suspect.target}</bdi>
                  </span>
                </span>
                <span class="num small muted">
                  {similarity(suspect.similarity)}
                  {suspect.correct !== undefined && (
                    <span class={suspect.correct ? 'good' : ''}>
                      {' '}
                      {suspect.correct ? 'right by the grader' : 'wrong by the grader'}
                    </span>
                  )}
                </span>
              </label>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
