import { useEffect, useState } from 'preact/hooks';
import type { RunManifest } from '../../pipeline/types.ts';
import { measureRuns } from '../actions.ts';
import { runs } from '../signals.ts';
import { Compare } from './Compare.tsx';
import { DuplicateDialog } from './Duplicate.tsx';
import { ProjectBar } from './ProjectBar.tsx';
import { DeleteDialog, DescribeDialog } from './RunDialogs.tsx';
import { type RunAction, RunTable } from './RunTable.tsx';
import { StorageCard } from './StorageCard.tsx';

/** All runs: what they have come to, and what can be done with them as a whole. */
export function RunsPage() {
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [comparing, setComparing] = useState(false);
  const [dialog, setDialog] = useState<{ action: RunAction; run: RunManifest } | null>(null);
  const [deleting, setDeleting] = useState<readonly RunManifest[]>([]);
  useEffect(() => void measureRuns(), [runs.value]);
  const selected = runs.value.filter(({ id }) => chosen.has(id));
  const close = () => setDialog(null);
  const act = (action: RunAction, run: RunManifest) => {
    if (action === 'delete') setDeleting([run]);
    else setDialog({ action, run });
  };
  return (
    <div class="page">
      <div class="stack" style={{ gap: '6px' }}>
        <h2 tabIndex={-1}>Runs</h2>
        <p class="lead">
          Every run with its settings, answers, adapters and figures, as stored in this browser. Choose two or
          more to compare them.
        </p>
      </div>
      <ProjectBar
        selected={selected}
        onCompare={() => setComparing(true)}
        onDelete={() => setDeleting(selected)}
      />
      {runs.value.length === 0 ? (
        <p class="empty">No run is stored yet. The first one is stored when it starts.</p>
      ) : (
        <RunTable runs={runs.value} chosen={chosen} onChoose={setChosen} onAction={act} />
      )}
      {comparing && selected.length > 1 && <Compare chosen={selected} onClose={() => setComparing(false)} />}
      <StorageCard />
      {dialog?.action === 'describe' && <DescribeDialog run={dialog.run} onClose={close} />}
      {dialog?.action === 'duplicate' && (
        <DuplicateDialog run={dialog.run} config={dialog.run.config} onClose={close} />
      )}
      {deleting.length > 0 && (
        <DeleteDialog
          chosen={deleting}
          onClose={() => setDeleting([])}
          onDeleted={() => setChosen(new Set())}
        />
      )}
    </div>
  );
}
