import { useEffect } from 'preact/hooks';
import type { LabEstimate } from '../../lab/types.ts';
import { changePlans } from '../actions/lab-list.ts';
import { estimate, startLab } from '../actions/lab-run.ts';
import { Figures } from '../components/Figures.tsx';
import { Icon } from '../components/Icon.tsx';
import { bytes, duration, plural, short } from '../format.ts';
import { working } from '../signals.ts';
import { estimating, lab } from './signals.ts';
import { roughly } from './state.ts';

/** What the whole lab would cost, before it starts; a problem is said instead of started into. */
export function Estimate() {
  const now = estimating.value;
  const id = lab.value.manifest?.id;
  const busy = working.value;
  useEffect(() => {
    if (!busy && estimating.value?.lab !== id) void estimate(false);
  }, [id, busy]);
  const found = now?.estimate ?? null;
  const measuring = now?.measuring === true;
  const problem = found?.problem ?? now?.fault ?? '';
  return (
    <section class="card" aria-label="What it costs" aria-busy={measuring}>
      <header>
        <h3>What it costs</h3>
        <span class="small muted" aria-live="polite">
          {measuring ? 'Working it out' : found !== null && !found.measured ? 'a first guess' : ''}
        </span>
      </header>
      {found !== null && <Costs found={found} />}
      {problem !== '' && (
        <p class="notice error-box" role="alert">
          <Icon name="warning" />
          <span>{problem}</span>
        </p>
      )}
      <div class="row">
        <button
          type="button"
          class="button primary"
          disabled={found === null || problem !== '' || working.value}
          onClick={() => void startLab()}
        >
          <Icon name="play" /> Start
        </button>
        <button
          type="button"
          class="button"
          disabled={measuring || working.value}
          data-tip="Computes a few batches with this model on this device, which takes some seconds, and works the time out from them."
          onClick={() => void estimate(true)}
        >
          {found?.measured === true ? 'Measure again' : 'Measure it on this device'}
        </button>
        <button type="button" class="button" disabled={working.value} onClick={changePlans}>
          Change the plans
        </button>
      </div>
      <p class="small muted">
        It can be paused at any time and goes on after a reload; arms can run overnight while this tab is
        open.
      </p>
    </section>
  );
}

function Costs({ found }: { found: LabEstimate }) {
  const { seconds, tokens, bytes: stored, bytesFree, memoryBytes, pieces } = found;
  return (
    <>
      <Figures
        items={[
          {
            label: 'Time',
            value: `about ${roughly(seconds)}`,
            help: found.measured
              ? 'From a short measurement on this device.'
              : 'A guess from what such a model takes elsewhere; measure it to know better.',
          },
          {
            label: 'Tokens',
            value: short(tokens),
            help: 'Trained on, sampled and scored, all arms and seeds together.',
          },
          {
            label: 'Storage',
            value: bytes(stored),
            ...(bytesFree !== null && { unit: `of ${bytes(bytesFree)} free` }),
            help: 'Answers, adapters and figures; shared ones are there once.',
          },
          {
            label: 'Memory',
            value: bytes(memoryBytes),
            help: 'Of the device, for the largest arm; arms are computed one after the other.',
          },
        ]}
      />
      {pieces.length > 0 && (
        <details>
          <summary>{plural(pieces.length, 'piece')} of work</summary>
          <div class="scroll-x lab-pieces">
            <table class="table">
              <tbody>
                {pieces.map(({ label, seconds: each }, i) => (
                  <tr key={i}>
                    <th scope="row">{label}</th>
                    <td class="num">{duration(each)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </details>
      )}
    </>
  );
}
