import { useRef, useState } from 'preact/hooks';
import { deleteRunById, newRun, openRun, renameRun } from '../actions.ts';
import { moment } from '../format.ts';
import { busy, runs, view } from '../signals.ts';
import { Icon } from './Icon.tsx';
import { Menu } from './Menu.tsx';

/** The run shown, and a menu to open, name, delete or start others. */
export function RunMenu() {
  const current = view.value.manifest;
  const dialog = useRef<HTMLDialogElement>(null);
  const [ask, setAsk] = useState<'rename' | 'delete'>('rename');
  const open = (what: 'rename' | 'delete', close: () => void) => {
    close();
    setAsk(what);
    dialog.current?.showModal();
  };
  return (
    <>
      <Menu
        name={`Run: ${current?.name ?? 'new run'}. Open the run menu.`}
        label={
          <>
            <span class="muted run-word">run</span>
            <span class="clip" style={{ maxWidth: 'min(34vw, 320px)' }}>
              {current?.name ?? 'New run'}
            </span>
            <Icon name="down" />
          </>
        }
      >
        {(close) => (
          <>
            {runs.value.length > 0 && <p class="label">Stored on this device</p>}
            {runs.value.map((run) => (
              <button
                key={run.id}
                type="button"
                class="item"
                disabled={busy.value && run.id !== current?.id}
                aria-current={run.id === current?.id ? 'true' : undefined}
                onClick={() => {
                  close();
                  void openRun(run.id);
                }}
              >
                <span style={{ width: '16px' }}>{run.id === current?.id && <Icon name="check" />}</span>
                <span class="stack">
                  <span>{run.name}</span>
                  <span class="small muted">
                    {moment(run.created)} · {run.finished ? 'finished' : 'not finished'}
                  </span>
                </span>
              </button>
            ))}
            {runs.value.length > 0 && <hr />}
            <button
              type="button"
              class="item"
              disabled={busy.value}
              onClick={() => {
                close();
                newRun();
              }}
            >
              <Icon name="plus" /> New run
            </button>
            <button
              type="button"
              class="item"
              disabled={current === null || busy.value}
              onClick={() => open('rename', close)}
            >
              <Icon name="pen" /> Rename
            </button>
            <button
              type="button"
              class="item"
              disabled={current === null || busy.value}
              onClick={() => open('delete', close)}
            >
              <Icon name="trash" /> Delete
            </button>
          </>
        )}
      </Menu>
      <dialog ref={dialog} aria-label={ask === 'rename' ? 'Rename the run' : 'Delete the run'}>
        {current !== null && (
          <form
            key={`${ask} ${current.id}`}
            method="dialog"
            class="stack"
            onSubmit={(event) => {
              const data = new FormData(event.currentTarget);
              if (ask === 'delete') void deleteRunById(current.id);
              else void renameRun(current.id, String(data.get('name') ?? ''));
            }}
          >
            {ask === 'rename' ? (
              <label class="field">
                <span class="label">Name of the run</span>
                <input class="input" name="name" defaultValue={current.name} maxLength={80} required />
              </label>
            ) : (
              <p>
                Delete “{current.name}” with its answers, adapter and figures from this device? Data sets and
                models stay. This cannot be undone.
              </p>
            )}
            <div class="row">
              <button class="button primary" type="submit">
                {ask === 'rename' ? 'Rename' : 'Delete'}
              </button>
              <button class="button" type="button" onClick={() => dialog.current?.close()}>
                Cancel
              </button>
            </div>
          </form>
        )}
      </dialog>
    </>
  );
}
