import '../styles/data.css';
import { useState } from 'preact/hooks';
import type { DatasetInfo } from '../../pipeline/types.ts';
import { downloadRefused, pickDataset, readDifferently } from '../actions.ts';
import { Icon } from '../components/Icon.tsx';
import { count, plural } from '../format.ts';
import { importing, lastFiles } from '../importing.ts';
import { busy, type Records, records, view } from '../signals.ts';
import { Conversation } from './data/Conversation.tsx';
import { ImportPanel } from './data/ImportPanel.tsx';
import { Lengths } from './data/Lengths.tsx';
import { ReasonList, RowList } from './data/Lists.tsx';
import { ModelSees } from './data/ModelSees.tsx';
import { Empty, Frame } from './Frame.tsx';

type Tab = 'rows' | 'heldOut' | 'refused' | 'duplicates';

export function DataStage() {
  const { dataset } = records.value;
  return (
    <Frame stage="data">
      <ImportPanel />
      <MostlyRefused />
      {dataset === null ? (
        <Empty>The data set is being read.</Empty>
      ) : (
        // Another data set is looked at from its first row.
        <Rows key={dataset.info.id} dataset={dataset} prepared={records.value.prepared} />
      )}
    </Frame>
  );
}

type RowsProps = Pick<Records, 'prepared'> & { dataset: NonNullable<Records['dataset']> };

function Rows({ dataset, prepared }: RowsProps) {
  const [tab, setTab] = useState<Tab>('rows');
  const [chosen, setChosen] = useState(0);
  const train = prepared?.train ?? dataset.rows;
  const heldOut = prepared?.heldOut ?? dataset.heldOut;
  const refused = prepared?.refused ?? dataset.refused;
  const { duplicates } = dataset;
  const rows = tab === 'heldOut' ? heldOut : train;
  const at = Math.min(chosen, rows.length - 1);
  const row = rows.at(at);
  const tabs: { tab: Tab; label: string }[] = [
    { tab: 'rows', label: `${count(train.length)} ${prepared === null ? 'rows' : 'for training'}` },
    { tab: 'heldOut', label: `${count(heldOut.length)} held out` },
    { tab: 'refused', label: `${count(refused.length)} refused` },
    ...(duplicates.length > 0
      ? [{ tab: 'duplicates' as const, label: plural(duplicates.length, 'duplicate') }]
      : []),
  ];
  return (
    <>
      <section class="card">
        <header>
          <h3>
            <bdi>{dataset.info.name}</bdi>
          </h3>
          <Buttons dataset={dataset.info.id} />
        </header>
        <Summary info={dataset.info} />
        <div class="tabs">
          <div class="row" role="tablist" aria-label="Rows of the data set">
            {tabs.map((each) => (
              <button
                key={each.tab}
                type="button"
                role="tab"
                aria-selected={tab === each.tab}
                class={tab === each.tab ? 'button' : 'button plain'}
                onClick={() => {
                  setTab(each.tab);
                  setChosen(0);
                }}
              >
                {each.label}
              </button>
            ))}
          </div>
          <span class="grow" />
          {tab === 'refused' && refused.length > 0 && (
            <button
              type="button"
              class="button"
              data-tip="One JSON object a line: the line in your file, the reason, and the row where it could be kept."
              onClick={() => void downloadRefused()}
            >
              Download refused rows
            </button>
          )}
        </div>
        {tab === 'refused' &&
          (refused.length === 0 ? (
            <p class="muted">Every row was taken.</p>
          ) : (
            <ReasonList key={tab} label="Refused rows" rows={refused} />
          ))}
        {tab === 'duplicates' && (
          <>
            <ReasonList key={tab} label="Duplicates" rows={duplicates} />
            <p class="small muted">
              Rows exactly like an earlier one are left out: they would only weigh one prompt twice.
            </p>
          </>
        )}
        {(tab === 'rows' || tab === 'heldOut') &&
          (rows.length === 0 ? (
            <p class="muted">
              {tab === 'heldOut'
                ? 'Rows are held out when the run starts, as the setting below says.'
                : 'No rows.'}
            </p>
          ) : (
            <>
              <RowList key={tab} rows={rows} selected={at} onSelect={setChosen} />
              {row !== undefined && <Conversation row={row} />}
            </>
          ))}
      </section>
      {(tab === 'rows' || tab === 'heldOut') && rows.length > 0 && (
        <ModelSees row={row} name={`Row ${count(at + 1)}`} />
      )}
      <Lengths />
    </>
  );
}

function Buttons({ dataset }: { dataset: string }) {
  const taken = busy.value || importing.value !== null;
  return (
    <span class="row">
      {lastFiles.value?.dataset === dataset && (
        <button
          type="button"
          class="button plain"
          disabled={taken}
          data-tip="Reads the same file again, with the columns that you name."
          onClick={() => void readDifferently()}
        >
          Read it differently
        </button>
      )}
      <button type="button" class="button" disabled={taken} onClick={() => void pickDataset()}>
        Use my prompts
      </button>
    </span>
  );
}

/** What the file was recognised as, and what kinds of rows there are. */
function Summary({ info }: { info: DatasetInfo }) {
  const { promptOnly, withRejected, multiTurn } = info.counts;
  const parts = [
    info.format ?? '',
    info.container ?? '',
    multiTurn > 0 ? `${count(multiTurn)} with earlier turns` : '',
    withRejected > 0 ? `${count(withRejected)} with rejected answers` : '',
    promptOnly > 0 ? `${count(promptOnly)} without a target, for evaluation` : '',
  ].filter((part) => part !== '');
  return (
    <>
      {parts.length > 0 && <p class="small muted">{parts.join(' · ')}</p>}
      {promptOnly === info.counts.rows && (
        <p class="notice warn-box">
          No row has a target answer, so there is nothing to train on. Choose this file together with one that
          has answers, or name the column that holds them.
        </p>
      )}
    </>
  );
}

/** A run on the little that is left would pass for one on the whole data set. */
function MostlyRefused() {
  const { counts } = view.value;
  if (counts === null || counts.refused <= counts.train + counts.heldOut) return null;
  return (
    <section class="notice warn-box" aria-label="Warning">
      <Icon name="warning" />
      <p>
        {count(counts.refused)} of {count(counts.refused + counts.train + counts.heldOut)} rows were refused,
        most often because they are longer than the model’s context. The reasons are in the list of refused
        rows.
      </p>
    </section>
  );
}
