import type { RunManifest } from '../../pipeline/types.ts';
import { deleteRuns, describeRun } from '../actions.ts';
import { bytes, plural } from '../format.ts';
import { runSizes, runs } from '../signals.ts';
import { Dialog } from './Dialog.tsx';

/** Name and notes of a run. */
export function DescribeDialog({ run, onClose }: { run: RunManifest; onClose: () => void }) {
  return (
    <Dialog title="Name and notes" onClose={onClose}>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          const data = new FormData(event.currentTarget);
          const name = String(data.get('name') ?? '');
          const notes = String(data.get('notes') ?? '');
          void describeRun(run.id, { name, notes }).then(onClose);
        }}
      >
        <label class="field">
          <span class="label">Name of the run</span>
          <input class="input" name="name" defaultValue={run.name} maxLength={80} required />
        </label>
        <label class="field">
          <span class="label">Notes, for you alone</span>
          <textarea class="input" name="notes" rows={5} maxLength={5000} defaultValue={run.notes ?? ''} />
        </label>
        <div class="row">
          <button class="button primary" type="submit">
            Save
          </button>
          <button class="button" type="button" onClick={onClose}>
            Cancel
          </button>
        </div>
      </form>
    </Dialog>
  );
}

interface DeleteProps {
  readonly chosen: readonly RunManifest[];
  readonly onClose: () => void;
  readonly onDeleted: () => void;
}

/** Says what goes and how much room that gives back, before anything is deleted. */
export function DeleteDialog({ chosen, onClose, onDeleted }: DeleteProps) {
  const ids = chosen.map(({ id }) => id);
  const freed = ids.reduce((sum, id) => sum + (runSizes.value.get(id)?.bytes ?? 0), 0);
  const kept = new Set(runs.value.filter(({ id }) => !ids.includes(id)).map(({ datasetId }) => datasetId));
  const data = new Set(chosen.map(({ datasetId }) => datasetId).filter((id) => !kept.has(id)));
  const what = chosen.length === 1 ? `“${chosen[0]?.name}”` : `these ${chosen.length} runs`;
  return (
    <Dialog title={`Delete ${plural(chosen.length, 'run')}`} onClose={onClose}>
      <p>
        Delete {what} with all answers, adapters and figures from this device? About {bytes(freed)} are freed.{' '}
        {data.size > 0
          ? `${plural(data.size, 'data set')} that no other run uses ${data.size === 1 ? 'goes' : 'go'} with ${chosen.length === 1 ? 'it' : 'them'}.`
          : 'The data stays, because other runs use it.'}{' '}
        Models stay. This cannot be undone.
      </p>
      {chosen.length > 1 && (
        <ul class="small muted run-names">
          {chosen.map(({ id, name }) => (
            <li key={id}>{name}</li>
          ))}
        </ul>
      )}
      <div class="row">
        <button
          class="button primary"
          type="button"
          onClick={() => {
            onClose();
            void deleteRuns(ids).then(onDeleted);
          }}
        >
          Delete
        </button>
        <button class="button" type="button" onClick={onClose}>
          Cancel
        </button>
      </div>
    </Dialog>
  );
}
