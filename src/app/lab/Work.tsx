import { MEASURE_INFO, withInterval } from '../../lab/measures.ts';
import type { ArmRow, ArmSpec } from '../../lab/types.ts';
import { Signs } from '../../report/index.ts';
import { StateMark } from '../components/Icon.tsx';
import { count, duration, figure } from '../format.ts';
import { type ArmState, armStates } from './arm-states.ts';
import { Estimate } from './Estimate.tsx';
import { FinalLook } from './FinalLook.tsx';
import { atWork, lab } from './signals.ts';
import { labStatus } from './state.ts';

/** The arms and how far each is with each seed; what is at work now; signs of failure as they are seen. */
export function Work() {
  const view = lab.value;
  const { manifest, report, signs, progress } = view;
  if (manifest === null) return <p class="muted">Reading the lab.</p>;
  const status = labStatus(manifest, view.fingerprint, atWork.value);
  const states = view.fingerprint === null ? null : armStates(manifest, view.fingerprint);
  return (
    <>
      {status === 'new' && <Estimate />}
      {progress !== null && atWork.value && (
        <section class="card" aria-label="At work now">
          <header>
            <h3>{progress.label}</h3>
            <span class="small muted">
              {progress.total > 0 && `${count(progress.done)} of ${count(progress.total)} ${progress.unit}`}
              {progress.rate > 0 && ` · ${figure(progress.rate, 2)} ${progress.unit}/s`}
            </span>
          </header>
          <div class="bar" aria-hidden="true">
            <i style={{ width: `${progress.total > 0 ? (100 * progress.done) / progress.total : 0}%` }} />
          </div>
        </section>
      )}
      {signs.length > 0 && (
        <section class="card" aria-label="Seen while it works" aria-live="polite">
          <h3>Seen while it works</h3>
          <Signs report={{ signs, arms: report?.arms ?? [] }} />
        </section>
      )}
      <section class="card" aria-label="Arms">
        <header>
          <h3>Arms</h3>
          <span class="small muted">one column a seed</span>
        </header>
        <div class="scroll-x">
          <table class="table arm-states">
            <thead>
              <tr>
                <th scope="col">Arm</th>
                {manifest.seeds.map((seed) => (
                  <th key={seed} scope="col" class="seed">
                    {seed}
                  </th>
                ))}
                <th scope="col">
                  {report === null ? 'Figure' : MEASURE_INFO[report.mainMeasure].label}, 95 % interval
                </th>
                <th scope="col" class="num took">
                  Took
                </th>
              </tr>
            </thead>
            <tbody>
              {manifest.arms.map((arm) => (
                <ArmLine
                  key={arm.id}
                  arm={arm}
                  states={states?.get(arm.id) ?? []}
                  row={report?.arms.find(({ id }) => id === arm.id)}
                  seeds={manifest.seeds}
                />
              ))}
            </tbody>
          </table>
        </div>
      </section>
      <Failures />
      <FinalLook />
    </>
  );
}

interface ArmLineProps {
  readonly arm: ArmSpec;
  readonly states: readonly ArmState[];
  readonly row: ArmRow | undefined;
  readonly seeds: readonly number[];
}

function ArmLine({ arm, states, row, seeds }: ArmLineProps) {
  const main = lab.value.report?.mainMeasure;
  const figure = main === undefined ? undefined : row?.figures[main];
  return (
    <tr>
      <th scope="row">{arm.name}</th>
      {seeds.map((seed, i) => (
        <td key={seed} class="seed">
          {/* What was at work when the page was left is only half done. */}
          <StateMark
            state={states[i] === 'running' && !atWork.value ? 'waiting' : (states[i] ?? 'waiting')}
            begun={states[i] === 'running'}
          />
        </td>
      ))}
      <td>
        {figure === undefined || main === undefined ? (
          <span class="muted">–</span>
        ) : (
          withInterval(main, figure)
        )}
      </td>
      <td class="num took">{row === undefined || row.seconds === 0 ? '–' : duration(row.seconds)}</td>
    </tr>
  );
}

/** Arms that failed and why; the others go on without them. */
function Failures() {
  const failed = Object.values(lab.value.manifest?.pieces ?? {}).filter(({ state }) => state === 'failed');
  if (failed.length === 0) return null;
  return (
    <section class="notice warn-box" aria-label="Failures">
      <div class="stack">
        <h3>What failed</h3>
        <p>The other arms go on without it. Resume tries it again.</p>
        {failed.map(({ key, label, error }) => (
          <details key={key}>
            <summary>
              {label}: {error?.message ?? 'no reason was given'}
            </summary>
            <pre class="details">{error?.details ?? ''}</pre>
          </details>
        ))}
      </div>
    </section>
  );
}
