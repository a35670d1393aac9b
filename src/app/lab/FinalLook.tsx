import { useState } from 'preact/hooks';
import { showSplit } from '../actions/lab-report.ts';
import { startLab } from '../actions/lab-run.ts';
import { moment, plural } from '../format.ts';
import { Dialog } from '../runs/Dialog.tsx';
import { working } from '../signals.ts';
import { atWork, lab, labElsewhere, labTab } from './signals.ts';
import { labStatus } from './state.ts';

/** The prompts that were set aside: looked at once, after everything is decided. */
export function FinalLook() {
  const [asking, setAsking] = useState(false);
  const { manifest, report } = lab.value;
  if (manifest === null || report === null || report.data.final === 0) return null;
  const { looks } = manifest;
  const ready = ['finished', 'failed'].includes(labStatus(manifest, lab.value.fingerprint, atWork.value));
  const off = working.value || labElsewhere.value || !ready;
  const first = looks[0];
  return (
    <section class="card" aria-label="The last look">
      <header>
        <h3>The last look</h3>
        <span class="small muted">{plural(report.data.final, 'prompt')} set aside</span>
      </header>
      {first === undefined ? (
        <p>
          No arm has answered them. Whoever tries many arms picks a lucky one; these prompts tell whether it
          was luck, once: a second look would be a choice, too.
        </p>
      ) : (
        <p>
          Looked at {looks.length === 1 ? 'once' : `${looks.length} times`}, first on {moment(first)}.
        </p>
      )}
      <div class="row">
        {first === undefined ? (
          <button
            type="button"
            class="button"
            disabled={off}
            data-tip={ready ? undefined : 'When all arms have ended.'}
            onClick={() => setAsking(true)}
          >
            Look at the final split
          </button>
        ) : (
          <button
            type="button"
            class="button"
            onClick={() => {
              labTab.value = 'results';
              void showSplit('final');
            }}
          >
            Show what came of it
          </button>
        )}
      </div>
      {asking && (
        <Dialog title="Look at the final split" onClose={() => setAsking(false)}>
          <p>
            All arms answer the {plural(report.data.final, 'prompt')} that were set aside. This can be done
            once: what is changed after having seen the result can’t be checked on these prompts any more. The
            report notes when it was.
          </p>
          <div class="row">
            <button
              type="button"
              class="button primary"
              onClick={() => {
                setAsking(false);
                void startLab('final');
              }}
            >
              Look now
            </button>
            <button type="button" class="button" onClick={() => setAsking(false)}>
              Not yet
            </button>
          </div>
        </Dialog>
      )}
    </section>
  );
}
