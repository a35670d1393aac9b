import { useState } from 'preact/hooks';
import type { SelfCheck } from '../../engine/types.ts';
import { visible } from '../../model/text.ts';
import { checkDevice, resumeOnWasm } from '../actions.ts';
import { Icon } from '../components/Icon.tsx';
import { duration, figure } from '../format.ts';
import { config, savedConfig } from '../settings.ts';
import { busy, view } from '../signals.ts';

/** Whether the device computes what it should, with this model: what was compared, and what to do if not. */
export function SelfCheckPanel() {
  const { model, precision, backend } = config.value;
  const saved = savedConfig.value;
  const same = model === saved.model && precision === saved.precision && backend === saved.backend;
  const stored = view.value.manifest?.selfCheck;
  const check = same ? stored : undefined;
  return (
    <section class="stack" aria-label="Self-check">
      {check === undefined ? (
        <p class="muted">
          {stored === undefined
            ? 'Before the first training, a few seconds of checks: a small batch here and on WebAssembly, one gradient against a finite difference, and no number that is none.'
            : 'It was checked with other settings; it is checked again before training.'}
        </p>
      ) : (
        <Outcome check={check} />
      )}
      <CheckNow again={check !== undefined} />
    </section>
  );
}

function CheckNow({ again }: { again: boolean }) {
  const [checking, setChecking] = useState(false);
  return (
    <button
      type="button"
      class="button"
      style={{ alignSelf: 'flex-start' }}
      disabled={busy.value || checking}
      data-tip="Loads the model and checks this device with it. Nothing is trained."
      onClick={() => {
        setChecking(true);
        void checkDevice().finally(() => setChecking(false));
      }}
    >
      {checking ? 'Checking' : again ? 'Check again' : 'Check it now'}
    </button>
  );
}

function Outcome({ check }: { check: SelfCheck }) {
  const { passed, problem, advice, offer, remarks } = check;
  return (
    <>
      {passed ? (
        <p class="row">
          <span class="mark good">
            <Icon name="check" /> Self-check passed
          </span>
          <span class="small muted">in {duration(check.seconds)}</span>
        </p>
      ) : (
        <div class="notice error-box">
          <Icon name="warning" />
          <div class="stack">
            <p>
              <b>Self-check failed: {visible(problem ?? 'this device computes something else')}</b>
            </p>
            {advice !== undefined && <p>{visible(advice)}</p>}
            {offer === 'wasm' && (
              <button
                type="button"
                class="button"
                style={{ alignSelf: 'flex-start' }}
                disabled={busy.value}
                onClick={() => void resumeOnWasm()}
              >
                Use WebAssembly and go on
              </button>
            )}
          </div>
        </div>
      )}
      {check.compared.length > 0 && (
        <details class="small">
          <summary>What was compared</summary>
          <table class="table compared">
            <thead>
              <tr>
                <th scope="col">Compared</th>
                <th scope="col" class="num">
                  Difference
                </th>
                <th scope="col" class="num">
                  Allowed
                </th>
              </tr>
            </thead>
            <tbody>
              {check.compared.map(({ what, difference, allowed }) => (
                <tr key={what}>
                  <td>{visible(what)}</td>
                  <td class={difference <= allowed ? 'num' : 'num bad'}>{figure(difference)}</td>
                  <td class="num">{figure(allowed)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </details>
      )}
      {remarks.length > 0 && <p class="small muted">{remarks.map(visible).join(' ')}</p>}
    </>
  );
}
