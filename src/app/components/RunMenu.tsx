import { useState } from 'preact/hooks';
import { newRun, openRuns, openStage, showRun } from '../actions.ts';
import { moment } from '../format.ts';
import { DescribeDialog } from '../runs/RunDialogs.tsx';
import { STATUS_WORDS, statusOf } from '../runstatus.ts';
import { busy, elsewhereRuns, runs, runWorking, view, working } from '../signals.ts';
import { Icon } from './Icon.tsx';
import { Menu } from './Menu.tsx';

/** More are in the list of runs. */
const SHOWN = 8;

/** The run shown, and a menu to open others, to start one, and to see them all. */
export function RunMenu() {
  const current = view.value.manifest;
  const [naming, setNaming] = useState(false);
  const pick = (close: () => void, act: () => void) => () => {
    close();
    act();
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
            {runs.value.slice(0, SHOWN).map((run) => {
              const shown = run.id === current?.id;
              const atWork = (runWorking.value && shown) || elsewhereRuns.value.has(run.id);
              return (
                <button
                  key={run.id}
                  type="button"
                  class="item"
                  disabled={working.value && !shown}
                  aria-current={shown ? 'true' : undefined}
                  onClick={pick(close, () => void showRun(run.id))}
                >
                  <span style={{ width: '16px' }}>{shown && <Icon name="check" />}</span>
                  <span class="stack">
                    <span>{run.name}</span>
                    <span class="small muted">
                      {moment(run.created)} · {STATUS_WORDS[statusOf(run, atWork)]}
                    </span>
                  </span>
                </button>
              );
            })}
            {runs.value.length > 0 && <hr />}
            <button type="button" class="item" onClick={pick(close, openRuns)}>
              <Icon name="screen" /> All runs: compare, duplicate, export
            </button>
            <button
              type="button"
              class="item"
              disabled={working.value}
              onClick={pick(close, () => {
                newRun();
                openStage(null);
              })}
            >
              <Icon name="plus" /> New run
            </button>
            <button
              type="button"
              class="item"
              disabled={current === null || busy.value}
              onClick={pick(close, () => setNaming(true))}
            >
              <Icon name="pen" /> Name and notes
            </button>
          </>
        )}
      </Menu>
      {naming && current !== null && <DescribeDialog run={current} onClose={() => setNaming(false)} />}
    </>
  );
}
