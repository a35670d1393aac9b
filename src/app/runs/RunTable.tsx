import type { RunManifest } from '../../pipeline/types.ts';
import { exportRuns, showRun } from '../actions.ts';
import { Menu } from '../components/Menu.tsx';
import { bytes, moment } from '../format.ts';
import { keyFigure, reached, STATUS_WORDS, statusOf } from '../runstatus.ts';
import { elsewhereRuns, projectJob, runSizes, runWorking, view, working } from '../signals.ts';
import { STAGE_NAME } from '../stagetext.ts';

export type RunAction = 'describe' | 'duplicate' | 'delete';

interface RunTableProps {
  readonly runs: readonly RunManifest[];
  readonly chosen: ReadonlySet<string>;
  readonly onChoose: (chosen: ReadonlySet<string>) => void;
  readonly onAction: (action: RunAction, run: RunManifest) => void;
}

export function RunTable({ runs, chosen, onChoose, onAction }: RunTableProps) {
  const all = runs.every(({ id }) => chosen.has(id));
  return (
    <table class="table run-table">
      <thead>
        <tr>
          <th scope="col">
            <input
              type="checkbox"
              aria-label="Choose all runs"
              checked={all}
              onChange={() => onChoose(all ? new Set() : new Set(runs.map(({ id }) => id)))}
            />
          </th>
          <th scope="col">Run</th>
          <th scope="col">State</th>
          <th scope="col">Model and data</th>
          <th scope="col">Result</th>
          <th scope="col" class="num" data-tip="About what its records take; data sets and models apart.">
            Size
          </th>
          <th scope="col">Changed</th>
          <th scope="col">
            <span class="sr">Actions</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {runs.map((run) => (
          <RunRow
            key={run.id}
            run={run}
            chosen={chosen.has(run.id)}
            onChoose={(on) => {
              const next = new Set(chosen);
              if (on) next.add(run.id);
              else next.delete(run.id);
              onChoose(next);
            }}
            onAction={onAction}
          />
        ))}
      </tbody>
    </table>
  );
}

interface RunRowProps {
  readonly run: RunManifest;
  readonly chosen: boolean;
  readonly onChoose: (on: boolean) => void;
  readonly onAction: RunTableProps['onAction'];
}

function RunRow({ run, chosen, onChoose, onAction }: RunRowProps) {
  const { id, name, notes, config } = run;
  const shown = view.value.manifest?.id === id;
  const here = working.value && shown;
  const there = elsewhereRuns.value.has(id);
  const status = statusOf(run, (runWorking.value && shown) || there);
  const last = reached(run);
  const size = runSizes.value.get(id);
  const model = config.model === 'default' ? 'example model' : config.model;
  return (
    <tr aria-current={shown ? 'true' : undefined}>
      <td>
        <input
          type="checkbox"
          aria-label={`Choose ${name}`}
          checked={chosen}
          onChange={(event) => onChoose(event.currentTarget.checked)}
        />
      </td>
      <th scope="row" class="run-name">
        <button
          type="button"
          class="link"
          disabled={working.value && !shown}
          data-tip={working.value && !shown ? 'Pause the run at work before opening another.' : undefined}
          onClick={() => void showRun(id)}
        >
          {name}
        </button>
        {notes !== undefined && <span class="small muted run-notes">{notes}</span>}
      </th>
      <td data-label="State">
        <span class={`run-state ${status}`}>{STATUS_WORDS[status]}</span>
        {there && <span class="small muted"> in another tab</span>}
        {(status === 'stopped' || status === 'failed') && last !== null && (
          <span class="small muted"> after {STAGE_NAME[last]}</span>
        )}
      </td>
      <td data-label="Model and data" class="small">
        {model}
        <br />
        {size?.dataset ?? ''}, k = {config.dpo.negatives}
      </td>
      <td data-label="Result">{keyFigure(run) || '–'}</td>
      <td data-label="Size" class="num">
        {size === undefined ? '…' : bytes(size.bytes)}
      </td>
      <td data-label="Changed" class="small" data-tip={`Created ${moment(run.created)}`}>
        {moment(run.changed ?? run.created)}
      </td>
      <td class="run-actions">
        <RunActions run={run} locked={here || there} onAction={onAction} />
      </td>
    </tr>
  );
}

function RunActions({
  run,
  locked,
  onAction,
}: {
  run: RunManifest;
  locked: boolean;
  onAction: RunTableProps['onAction'];
}) {
  const busyHere = working.value || projectJob.value !== null;
  const items = [
    { label: 'Name and notes', off: locked, act: () => onAction('describe', run) },
    // A copy is opened, which this page cannot while it works on another run.
    { label: 'Duplicate with changes', off: locked || working.value, act: () => onAction('duplicate', run) },
    { label: 'Export as a file', off: locked || busyHere, act: () => void exportRuns([run.id]) },
    { label: 'Delete', off: locked, act: () => onAction('delete', run) },
  ];
  return (
    <Menu right name={`Actions for ${run.name}`} class="button plain square" label="⋯">
      {(close) => (
        <>
          {locked && <p class="label">At work: pause it to change it.</p>}
          {items.map(({ label, off, act }) => (
            <button
              key={label}
              type="button"
              class="item"
              disabled={off}
              onClick={() => {
                close();
                act();
              }}
            >
              {label}
            </button>
          ))}
        </>
      )}
    </Menu>
  );
}
