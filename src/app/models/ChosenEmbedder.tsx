import { config } from '../settings.ts';
import { Chooser } from './Chooser.tsx';
import { NotHere } from './NotHere.tsx';
import { modelName } from './names.ts';
import { choosing } from './state.ts';

/** What measures similarity, in the Filter stage. */
export function ChosenEmbedder() {
  const { embedder } = config.value;
  const open = choosing.value === 'embedder';
  return (
    <section class="card" aria-label="Embedder">
      <header>
        <h3>Compared by {modelName(embedder, 'the default embedder')}</h3>
        <button
          type="button"
          class="button"
          aria-expanded={open}
          onClick={() => {
            choosing.value = open ? null : 'embedder';
          }}
        >
          {open ? 'Close' : 'Use another embedder'}
        </button>
      </header>
      {!open && embedder === 'default' && (
        <p class="muted">
          Word vectors for English that come with this page. A sentence embedder from a hub knows more of
          meaning and takes longer.
        </p>
      )}
      {!open && <NotHere use="embedder" name={embedder} />}
      {open && <Chooser use="embedder" />}
    </section>
  );
}
