import { useMemo, useState } from 'preact/hooks';
import type { DataRow } from '../../pipeline/types.ts';
import { checkRun, pickDataset } from '../actions.ts';
import { Histogram } from '../components/Histogram.tsx';
import { VirtualList } from '../components/VirtualList.tsx';
import { count, plural } from '../format.ts';
import { weighted } from '../histogram.ts';
import type { Paged } from '../paged.ts';
import { busy, records, view } from '../signals.ts';
import { Empty, Frame } from './Frame.tsx';
import { TokenView } from './TokenView.tsx';

type Tab = 'rows' | 'heldOut' | 'refused';

export function DataStage() {
  const { dataset, prepared } = records.value;
  const [tab, setTab] = useState<Tab>('rows');
  const [chosen, setChosen] = useState(0);
  if (dataset === null) {
    return (
      <Frame stage="data">
        <Empty>The data set is being read.</Empty>
      </Frame>
    );
  }
  const train: Paged<DataRow> = prepared?.train ?? dataset.rows;
  const heldOut: Paged<DataRow> = prepared?.heldOut ?? dataset.heldOut;
  const refused = prepared?.refused ?? dataset.refused;
  const rows = tab === 'heldOut' ? heldOut : train;
  const tabs: { tab: Tab; label: string }[] = [
    { tab: 'rows', label: `${count(train.length)} ${prepared === null ? 'rows' : 'for training'}` },
    { tab: 'heldOut', label: `${count(heldOut.length)} held out` },
    { tab: 'refused', label: `${count(refused.length)} refused` },
  ];
  return (
    <Frame stage="data">
      <section class="card">
        <header>
          <h3>{dataset.info.name}</h3>
          <button type="button" class="button" disabled={busy.value} onClick={() => void pickDataset()}>
            Use my prompts
          </button>
        </header>
        <div class="row" role="tablist" aria-label="Rows of the data set">
          {tabs.map((each) => (
            <button
              key={each.tab}
              type="button"
              role="tab"
              aria-selected={tab === each.tab}
              class={tab === each.tab ? 'button' : 'button plain'}
              onClick={() => setTab(each.tab)}
            >
              {each.label}
            </button>
          ))}
        </div>
        {tab === 'refused' ? (
          refused.length === 0 ? (
            <p class="muted">Every row was taken.</p>
          ) : (
            <VirtualList
              label="Refused rows"
              count={refused.length}
              rowHeight={32}
              height={290}
              columns="90px 1fr"
              render={(index) => (
                <>
                  <span class="muted">line {count(refused.at(index)?.line ?? 0)}</span>
                  <span class="clip" title={refused.at(index)?.reason}>
                    {refused.at(index)?.reason}
                  </span>
                </>
              )}
            />
          )
        ) : rows.length === 0 ? (
          <p class="muted">
            {tab === 'heldOut'
              ? 'Rows are held out when the run starts, as the setting below says.'
              : 'No rows.'}
          </p>
        ) : (
          <>
            <div>
              <div class="vhead" style={{ gridTemplateColumns: '48px 5fr 4fr' }} aria-hidden="true">
                <span>#</span>
                <span>Prompt</span>
                <span>Target</span>
              </div>
              <VirtualList
                label="Rows"
                count={rows.length}
                rowHeight={32}
                height={290}
                columns="48px 5fr 4fr"
                selected={Math.min(chosen, rows.length - 1)}
                onSelect={setChosen}
                render={(index) => (
                  <>
                    <span class="muted small">{count(index + 1)}</span>
                    <span class="clip">{rows.at(index)?.prompt}</span>
                    <span class="clip">{rows.at(index)?.target}</span>
                  </>
                )}
              />
            </div>
            <WholeRow row={rows.at(Math.min(chosen, rows.length - 1))} />
          </>
        )}
      </section>
      <ModelSees />
      <Lengths />
    </Frame>
  );
}

function WholeRow({ row }: { row: DataRow | undefined }) {
  if (row === undefined) return null;
  return (
    <dl class="columns">
      <div>
        <dt class="small muted">Prompt</dt>
        <dd class="text">{row.prompt}</dd>
      </div>
      <div>
        <dt class="small muted">Target</dt>
        <dd class="text">{row.target}</dd>
      </div>
    </dl>
  );
}

/** One example as token pieces. Only the model's own tokenizer can tell, so it is asked on a click. */
function ModelSees() {
  const [shown, setShown] = useState<{ prompt: readonly string[]; target: readonly string[] } | null>(null);
  const [working, setWorking] = useState(false);
  const show = async () => {
    setWorking(true);
    const result = await checkRun();
    setWorking(false);
    if (result !== null)
      setShown({ prompt: result.firstPrompt.pieces, target: result.firstPrompt.targetPieces });
  };
  return (
    <section class="card">
      <header>
        <h3>The first example as the model sees it</h3>
        {shown === null && (
          <button type="button" class="button" disabled={busy.value || working} onClick={() => void show()}>
            {working ? 'Reading the model' : 'Show the tokens'}
          </button>
        )}
      </header>
      {shown === null ? (
        <p class="muted">
          The prompt in the model's chat template, then the target. Training counts only the tokens of the
          target: the loss mask.
        </p>
      ) : (
        <TokenView prompt={shown.prompt} target={shown.target} />
      )}
    </section>
  );
}

function Lengths() {
  const { prepared } = records.value;
  const context = view.value.model?.contextLength;
  const bins = useMemo(() => {
    const lengths = prepared?.info.lengths ?? [];
    const longest = lengths.at(-1)?.[0];
    if (longest === undefined) return null;
    let cut = 0;
    for (const [tokens, rows] of lengths) if (context !== undefined && tokens >= context) cut += rows;
    const bins = weighted(lengths, longest < 60 ? longest + 1 : 48, [0, longest + 1]);
    return { bins, longest, cut };
  }, [prepared, context]);
  if (bins === null) return null;
  const inSight = context !== undefined && context <= bins.longest;
  return (
    <section class="card">
      <header>
        <h3>Tokens a row</h3>
        <span class="small muted">
          longest {count(bins.longest)}
          {context !== undefined && `, context ${count(context)}`}
        </span>
      </header>
      <Histogram
        bins={bins.bins}
        kinds={[{ label: 'rows', color: '--accent' }]}
        height={110}
        axis="tokens of prompt and target"
        format={(value) => count(Math.round(value))}
        describe={`Token lengths of ${plural(records.value.prepared?.train.length ?? 0, 'row')}; the longest has ${bins.longest} tokens.`}
        line={inSight ? { at: context, label: 'the model’s context' } : undefined}
      />
      {bins.cut > 0 && (
        <p class="warn">
          {plural(bins.cut, 'row')} reach the end of the context and leave no room to answer.
        </p>
      )}
    </section>
  );
}
