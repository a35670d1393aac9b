import type { RunManifest } from '../../pipeline/types.ts';
import type { Imported } from '../../storage/project/import.ts';
import { exportRuns, importRuns } from '../actions.ts';
import { Icon } from '../components/Icon.tsx';
import { bytes, percent } from '../format.ts';
import { projectImported, projectJob, runs, working } from '../signals.ts';

interface ProjectBarProps {
  readonly selected: readonly RunManifest[];
  readonly onCompare: () => void;
  readonly onDelete: () => void;
}

/** What can be done with the chosen runs, and with all of them. */
export function ProjectBar({ selected, onCompare, onDelete }: ProjectBarProps) {
  const imported = projectImported.value;
  const off = working.value || projectJob.value !== null;
  const some = selected.length > 0 && selected.length < runs.value.length;
  const ids = (some ? selected : runs.value).map(({ id }) => id);
  return (
    <div class="stack">
      <div class="row">
        <button
          type="button"
          class="button"
          disabled={selected.length < 2}
          data-tip="Settings that differ, figures side by side and curves over each other. Choose two runs or more."
          onClick={onCompare}
        >
          Compare{selected.length > 1 ? ` ${selected.length}` : ''}
        </button>
        <button
          type="button"
          class="button"
          disabled={selected.length === 0 || working.value}
          onClick={onDelete}
        >
          <Icon name="trash" /> Delete{selected.length > 0 ? ` ${selected.length}` : ''}
        </button>
        <button
          type="button"
          class="button"
          disabled={off || ids.length === 0}
          data-tip="One zip file with the runs, their data sets and models: to go on with on another machine, or to be safe."
          onClick={() => void exportRuns(ids)}
        >
          <Icon name="download" /> {some ? `Export ${selected.length}` : 'Export all'}
        </button>
        <label
          class={projectJob.value === null ? 'button file-button' : 'button file-button off'}
          data-tip="Takes in a file that was exported here or on another machine. It is checked first; nothing that is here is overwritten."
        >
          Import a file
          <input
            type="file"
            class="sr"
            accept=".zip"
            disabled={projectJob.value !== null}
            onChange={(event) => {
              const [file] = event.currentTarget.files ?? [];
              event.currentTarget.value = '';
              if (file !== undefined) void importRuns(file);
            }}
          />
        </label>
      </div>
      <JobProgress />
      {imported.length > 0 && <ImportSummary imported={imported} />}
    </div>
  );
}

function JobProgress() {
  const job = projectJob.value;
  if (job === null) return null;
  const share = job.total > 0 ? job.done / job.total : 0;
  return (
    <section class="notice" aria-label={job.title}>
      <div class="stack">
        <p>
          {job.title}: {job.total > 0 ? `${percent(share, 0)} of ${bytes(job.total)}` : 'reading'}
        </p>
        <div class="bar" role="progressbar" aria-label={job.title} aria-valuenow={Math.round(share * 100)}>
          <i style={{ width: `${share * 100}%` }} />
        </div>
      </div>
      <button type="button" class="button" onClick={job.cancel}>
        Cancel
      </button>
    </section>
  );
}

const HOW: Readonly<Record<Imported['how'], string>> = {
  new: 'imported',
  same: 'was here already',
  renamed: 'imported beside another of that name',
};

const KIND: Readonly<Record<Imported['kind'], string>> = { run: 'Run', dataset: 'Data set', model: 'Model' };

function ImportSummary({ imported }: { imported: readonly Imported[] }) {
  return (
    <section class="notice" aria-label="What was imported" aria-live="polite">
      <div class="stack">
        <p>Every fingerprint in the file was right.</p>
        <ul class="small">
          {imported.map(({ kind, id, name, how }) => (
            <li key={`${kind} ${id}`}>
              {KIND[kind]} {name}: {HOW[how]}
            </li>
          ))}
        </ul>
      </div>
      <button
        type="button"
        class="button plain square"
        aria-label="Close this message"
        onClick={() => {
          projectImported.value = [];
        }}
      >
        <Icon name="cross" />
      </button>
    </section>
  );
}
