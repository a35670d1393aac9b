import { useState } from 'preact/hooks';
import { downloadAdapter, downloadFile } from '../actions.ts';
import { busy, view } from '../signals.ts';
import { Icon } from './Icon.tsx';
import { Menu } from './Menu.tsx';

const FILES = [
  { path: 'pairs.jsonl', help: 'every target with its negatives, as tokens too' },
  { path: 'responses.jsonl', help: 'every sampled answer with its similarity' },
  { path: 'report.json', help: 'figures of all stages and the evaluation' },
  { path: 'run.json', help: 'settings, versions, seeds and fingerprints' },
] as const;

/** The adapter as the one plain button, everything else behind a menu. */
export function Exports() {
  const [working, setWorking] = useState(false);
  const during = (work: Promise<void>) => {
    setWorking(true);
    void work.finally(() => setWorking(false));
  };
  const off = busy.value || working;
  const partly = view.value.stages.dpo.state !== 'done';
  return (
    <div class="row" style={{ flexWrap: 'nowrap' }}>
      <button type="button" class="button primary" disabled={off} onClick={() => during(downloadAdapter())}>
        <Icon name="download" />{' '}
        {working ? 'Preparing' : partly ? 'Download SFT adapter' : 'Download adapter'}
      </button>
      <Menu
        right
        class="button"
        disabled={off}
        label={
          <>
            More files <Icon name="down" />
          </>
        }
      >
        {(close) =>
          FILES.map(({ path, help }) => (
            <button
              key={path}
              type="button"
              class="item"
              onClick={() => {
                close();
                during(downloadFile(path));
              }}
            >
              <span class="stack">
                <span class="mono">{path}</span>
                <span class="small muted">{help}</span>
              </span>
            </button>
          ))
        }
      </Menu>
    </div>
  );
}
