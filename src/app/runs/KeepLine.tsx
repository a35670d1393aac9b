import { askToKeep } from '../actions.ts';
import { askedToKeep, persisted, runs } from '../signals.ts';

/**
 * Whether the browser keeps what is stored, and a way to ask for it. Asked for only once there is something worth
 * keeping, and by the user: on load nobody knows what the question is about.
 *
 * @param always also where it is kept already, or was asked for before
 */
export function KeepLine({ always = false }: { always?: boolean }) {
  const asked = askedToKeep.value;
  const worth = runs.value.some(({ stages }) => stages.sft === 'done');
  if (persisted.value === null || (!always && (!worth || asked || persisted.value))) return null;
  if (persisted.value) return <p class="small muted">Kept: the browser does not remove it by itself.</p>;
  return (
    <div class="keep small muted">
      <p>
        May be evicted: when the disk fills up, browsers remove what pages have stored.
        {asked && always && ' This browser has not promised to keep it; an exported file is safe.'}
      </p>
      {worth && (
        <button
          type="button"
          class="button"
          data-tip="So that hours of work are not removed to make room for a web page's pictures. The browser may ask you, or decide by itself."
          onClick={() => void askToKeep()}
        >
          Ask the browser to keep this
        </button>
      )}
    </div>
  );
}
