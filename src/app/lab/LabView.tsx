import { useEffect, useRef, useState } from 'preact/hooks';
import type { LabManifest } from '../../lab/types.ts';
import { downloadAdapters, downloadLabReport, printLabReport } from '../actions/lab-files.ts';
import { showLab } from '../actions/lab-list.ts';
import { showSplit } from '../actions/lab-report.ts';
import type { ReportFile } from '../actions/report.ts';
import { openLab } from '../actions.ts';
import { Icon } from '../components/Icon.tsx';
import { Menu } from '../components/Menu.tsx';
import { moment, plural } from '../format.ts';
import { working } from '../signals.ts';
import { Judge } from './Judge.tsx';
import { LabControls } from './LabControls.tsx';
import { DeleteLab, RenameLab } from './LabDialogs.tsx';
import { Results } from './Results.tsx';
import { atWork, LAB_TABS, type LabTab, lab, labElsewhere, labTab, split } from './signals.ts';
import { LAB_STATUS_WORDS, labStatus } from './state.ts';
import { Why } from './Why.tsx';
import { Work } from './Work.tsx';

const TABS: Readonly<Record<LabTab, { readonly label: string; readonly page: () => preact.JSX.Element }>> = {
  work: { label: 'Arms', page: Work },
  results: { label: 'Results', page: Results },
  why: { label: 'Why', page: Why },
  judge: { label: 'Judge', page: Judge },
};

/** One lab: its head with the controls, and what it has come to, a tab each. */
export function LabView({ manifest }: { manifest: LabManifest }) {
  const view = lab.value;
  const status = labStatus(manifest, view.fingerprint, atWork.value || labElsewhere.value);
  const Page = TABS[labTab.value].page;
  const elsewhere = labElsewhere.value;
  const wasElsewhere = useRef(elsewhere);
  useEffect(() => {
    // What the other tab has computed is read when it has ended.
    if (wasElsewhere.current && !elsewhere) void showLab(manifest.id, true);
    wasElsewhere.current = elsewhere;
  }, [elsewhere]);
  return (
    <div class="page lab-page">
      <div class="stack" style={{ gap: '6px' }}>
        <p class="small">
          <button type="button" class="link" onClick={() => openLab('')}>
            All labs
          </button>
        </p>
        <div class="row spread">
          <h2 tabIndex={-1}>{manifest.name}</h2>
          <div class="row">
            {view.report !== null && <ReportMenu />}
            <LabMenu manifest={manifest} />
          </div>
        </div>
        <p class="small muted">
          <span class={`run-state ${status}`}>{LAB_STATUS_WORDS[status]}</span>{' '}
          {manifest.plans.map(({ title }) => title).join(', ')} · {plural(manifest.arms.length, 'arm')} ×{' '}
          {plural(manifest.seeds.length, 'seed')} · made {moment(manifest.created)}
        </p>
        <LabControls status={status} />
      </div>
      <Tabs />
      {split.value === 'final' && labTab.value !== 'work' && (
        <p class="notice">
          <span>
            These are the prompts that were set aside.{' '}
            <button type="button" class="link" onClick={() => void showSplit('working')}>
              Show the working ones again
            </button>
          </span>
        </p>
      )}
      <div role="tabpanel" aria-label={TABS[labTab.value].label} class="stack lab-panel">
        <Page />
      </div>
    </div>
  );
}

/** Arrow keys move between tabs, as everywhere. */
function Tabs() {
  const move = (step: number) => {
    const at = LAB_TABS.indexOf(labTab.value);
    const next = LAB_TABS[(at + step + LAB_TABS.length) % LAB_TABS.length];
    if (next !== undefined) labTab.value = next;
  };
  return (
    <div
      class="row lab-tabs"
      role="tablist"
      aria-label="Parts of the lab"
      onKeyDown={(event) => {
        const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
        if (step === 0) return;
        event.preventDefault();
        move(step);
        event.currentTarget.querySelector<HTMLElement>('[aria-selected="true"]')?.focus();
      }}
    >
      {LAB_TABS.map((tab) => (
        <button
          key={tab}
          type="button"
          role="tab"
          aria-selected={labTab.value === tab}
          tabIndex={labTab.value === tab ? 0 : -1}
          class="lab-tab"
          onClick={() => {
            labTab.value = tab;
          }}
        >
          {TABS[tab].label}
        </button>
      ))}
    </div>
  );
}

const FILES: readonly { readonly which: ReportFile; readonly label: string; readonly help: string }[] = [
  { which: 'report.html', label: 'Web page', help: 'one file, opens offline' },
  { which: 'report.md', label: 'Markdown', help: 'for a notebook or an issue' },
  { which: 'all', label: 'Everything', help: 'both, and all figures as CSV and JSON, as a zip' },
];

/** The report as it is by now, as files or on paper. */
function ReportMenu() {
  return (
    <Menu
      right
      class="button"
      name="Report: download or print"
      label={
        <>
          <Icon name="download" /> Report <Icon name="down" />
        </>
      }
    >
      {(close) => (
        <>
          {FILES.map(({ which, label, help }) => (
            <button
              key={which}
              type="button"
              class="item"
              onClick={() => {
                close();
                void downloadLabReport(which);
              }}
            >
              <span class="stack">
                <span>{label}</span>
                <span class="small muted">{help}</span>
              </span>
            </button>
          ))}
          <hr />
          <button
            type="button"
            class="item"
            onClick={() => {
              close();
              printLabReport();
            }}
          >
            <span class="stack">
              <span>Print</span>
            </span>
          </button>
          <hr />
          <button
            type="button"
            class="item"
            disabled={working.value}
            onClick={() => {
              close();
              void downloadAdapters();
            }}
          >
            <span class="stack">
              <span>Adapters</span>
              <span class="small muted">of all arms and seeds, a PEFT folder each, as a zip</span>
            </span>
          </button>
        </>
      )}
    </Menu>
  );
}

function LabMenu({ manifest }: { manifest: LabManifest }) {
  const [dialog, setDialog] = useState<'rename' | 'delete' | null>(null);
  const busy = atWork.value || labElsewhere.value;
  return (
    <>
      <Menu right name="More about this lab" class="button plain square" label="⋯">
        {(close) => (
          <>
            {busy && <p class="label">At work: pause it to change it.</p>}
            {(['rename', 'delete'] as const).map((what) => (
              <button
                key={what}
                type="button"
                class="item"
                disabled={busy}
                onClick={() => {
                  close();
                  setDialog(what);
                }}
              >
                {what === 'rename' ? 'Name' : 'Delete'}
              </button>
            ))}
          </>
        )}
      </Menu>
      {dialog === 'rename' && <RenameLab lab={manifest} onClose={() => setDialog(null)} />}
      {dialog === 'delete' && <DeleteLab lab={manifest} onClose={() => setDialog(null)} />}
    </>
  );
}
