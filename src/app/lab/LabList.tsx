import { useEffect, useState } from 'preact/hooks';
import type { LabManifest } from '../../lab/types.ts';
import { measureLabs } from '../actions/lab-list.ts';
import { openLab } from '../actions.ts';
import { Icon } from '../components/Icon.tsx';
import { Menu } from '../components/Menu.tsx';
import { bytes, moment, plural } from '../format.ts';
import { elsewhereRuns, labAtWork } from '../signals.ts';
import { DeleteLab, RenameLab } from './LabDialogs.tsx';
import { fingerprints, labSizes, labs, lockOf } from './signals.ts';
import { LAB_STATUS_WORDS, labStatus } from './state.ts';

export const LAB_LEAD =
  'Find out whether Self-Contrast works on your data: plans of many trainings on the data, model and settings of the shown run, compared with intervals, explained, and written up as a report.';

type Dialog = { readonly what: 'rename' | 'delete'; readonly lab: LabManifest };

/** All stored labs. */
export function LabList() {
  const [dialog, setDialog] = useState<Dialog | null>(null);
  useEffect(() => void measureLabs(), [labs.value]);
  const close = () => setDialog(null);
  return (
    <div class="page">
      <div class="stack" style={{ gap: '6px' }}>
        <div class="row spread">
          <h2 tabIndex={-1}>Lab</h2>
          <button type="button" class="button primary" onClick={() => openLab('new')}>
            <Icon name="plus" /> New lab
          </button>
        </div>
        <p class="lead">{LAB_LEAD}</p>
      </div>
      {labs.value === null ? (
        <p class="muted">Reading the labs.</p>
      ) : (
        <table class="table run-table lab-table">
          <thead>
            <tr>
              <th scope="col">Lab</th>
              <th scope="col">State</th>
              <th scope="col">Plans</th>
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
            {labs.value.map((each) => (
              <LabRow key={each.id} lab={each} onDialog={(what) => setDialog({ what, lab: each })} />
            ))}
          </tbody>
        </table>
      )}
      {dialog?.what === 'rename' && <RenameLab lab={dialog.lab} onClose={close} />}
      {dialog?.what === 'delete' && <DeleteLab lab={dialog.lab} onClose={close} />}
    </div>
  );
}

function LabRow({ lab, onDialog }: { lab: LabManifest; onDialog: (what: Dialog['what']) => void }) {
  const here = labAtWork.value?.id === lab.id;
  const there = elsewhereRuns.value.has(lockOf(lab.id));
  const status = labStatus(lab, fingerprints.value.get(lab.datasetId) ?? null, here || there);
  const size = labSizes.value.get(lab.id);
  return (
    <tr>
      <th scope="row" class="run-name">
        <button type="button" class="link" onClick={() => openLab(lab.id)}>
          {lab.name}
        </button>
      </th>
      <td data-label="State">
        <span class={`run-state ${status}`}>{LAB_STATUS_WORDS[status]}</span>
        {there && <span class="small muted"> in another tab</span>}
      </td>
      <td data-label="Plans" class="small">
        {lab.plans.map(({ title }) => title).join(', ')}
        <br />
        <span class="muted">
          {plural(lab.arms.length, 'arm')} × {plural(lab.seeds.length, 'seed')}
        </span>
      </td>
      <td data-label="Size" class="num">
        {size === undefined ? '…' : bytes(size.bytes)}
      </td>
      <td data-label="Changed" class="small" data-tip={`Created ${moment(lab.created)}`}>
        {moment(lab.changed ?? lab.created)}
      </td>
      <td class="run-actions">
        <Menu right name={`Actions for ${lab.name}`} class="button plain square" label="⋯">
          {(close) => (
            <>
              {(here || there) && <p class="label">At work: pause it to change it.</p>}
              {(['rename', 'delete'] as const).map((what) => (
                <button
                  key={what}
                  type="button"
                  class="item"
                  disabled={here || there}
                  onClick={() => {
                    close();
                    onDialog(what);
                  }}
                >
                  {what === 'rename' ? 'Name' : 'Delete'}
                </button>
              ))}
            </>
          )}
        </Menu>
      </td>
    </tr>
  );
}
