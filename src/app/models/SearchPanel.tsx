import type { HubUse } from '../../hub/api.ts';
import { excerpt, visible, visibleLines } from '../../model/text.ts';
import { cancelFetch, choose, fetchFound, forgetSearch, hubOf, tryAgain } from '../actions.ts';
import { Figures } from '../components/Figures.tsx';
import { Icon } from '../components/Icon.tsx';
import { bytes, count, duration, percent, plural } from '../format.ts';
import { busy } from '../signals.ts';
import { FitPanel } from './FitPanel.tsx';
import type { HubProblem } from './hub-problems.ts';
import { hostOf, shortCommit } from './names.ts';
import type { Search } from './state.ts';
import { TokenForm } from './TokenForm.tsx';

/** A model that was asked for: what it is and whether it fits, its download, what went wrong. */
export function SearchPanel({ use, search }: { use: HubUse; search: Search }) {
  const { step, request, found } = search;
  return (
    <section class="stack search" aria-label={`Model ${visible(request.name)}`} aria-live="polite">
      {step === 'asking' && (
        <p class="muted">
          Asking {hostOf(request.hub)} for {visible(request.name)}.
        </p>
      )}
      {found !== null && <Found search={search} />}
      {step === 'fetching' && <Fetching search={search} />}
      {step === 'failed' && search.problem !== null && <Failed use={use} problem={search.problem} />}
      {step === 'checked' && <Checked use={use} />}
      {step === 'found' && <Choice use={use} search={search} />}
      {step === 'found' && search.fit !== null && <FitPanel fit={search.fit} />}
    </section>
  );
}

/** A short text of config.json, which may hold anything. */
function configText(config: unknown, key: string): string {
  const value = typeof config === 'object' && config !== null ? Reflect.get(config, key) : undefined;
  return typeof value === 'string' || typeof value === 'number' ? excerpt(String(value), 40) : '–';
}

function Found({ search: { found, request, fault } }: { search: Search }) {
  if (found === null) return null;
  const left = found.bytes - found.stored;
  return (
    <>
      <div class="row spread">
        <h4>{visible(found.id)}</h4>
        <span class="small muted">
          {[
            ...(found.revision === found.commit ? [] : [visible(found.revision)]),
            ...(found.commit === null ? [] : [`commit ${shortCommit(visible(found.commit))}`]),
          ].join(', ')}{' '}
          · {hostOf(request.hub)}
        </span>
      </div>
      <Figures
        items={[
          {
            label: found.cached ? 'On this device' : 'To fetch',
            value: bytes(found.cached ? found.bytes : left),
            unit: found.stored > 0 && !found.cached ? `of ${bytes(found.bytes)}` : '',
            help: `${plural(found.files.length, 'file')}: ${found.files.map(({ path, size }) => `${visible(path)} (${bytes(size)})`).join(', ')}.`,
          },
          { label: 'Kind', value: configText(found.config, 'model_type') },
          { label: 'Layers', value: configText(found.config, 'num_hidden_layers') },
          { label: 'Hidden size', value: configText(found.config, 'hidden_size') },
          { label: 'Vocabulary', value: vocabulary(found.config) },
        ]}
      />
      {found.note !== '' && <p class="notice">{visibleLines(found.note)}</p>}
      {fault !== '' && (
        <p class="notice warn-box">
          <Icon name="warning" /> <span>This page can’t run it: {visibleLines(fault)}</span>
        </p>
      )}
    </>
  );
}

function vocabulary(config: unknown): string {
  const text = configText(config, 'vocab_size');
  return Number.isFinite(Number(text)) ? count(Number(text)) : text;
}

function Choice({ use, search: { found, request, fault, fit } }: { use: HubUse; search: Search }) {
  if (found === null) return null;
  const left = found.bytes - found.stored;
  const unfit = fit !== null && !fit.fits;
  return (
    <div class="row">
      {fault === '' && found.cached && (
        <button
          type="button"
          class={unfit ? 'button' : 'button primary'}
          disabled={busy.value}
          onClick={() => choose(use, found.pinned, hubOf({ ...found, hub: request.hub }))}
        >
          Use it
        </button>
      )}
      {fault === '' && !found.cached && (
        <button
          type="button"
          class={unfit ? 'button' : 'button primary'}
          onClick={() => void fetchFound(use)}
        >
          <Icon name="download" />{' '}
          {found.stored > 0 ? `Fetch the other ${bytes(left)} and use it` : `Fetch ${bytes(left)} and use it`}
        </button>
      )}
      <button type="button" class="button plain" onClick={() => forgetSearch(use)}>
        Choose something else
      </button>
    </div>
  );
}

const DOING = { fetching: 'Fetching', waiting: 'Waiting', checking: 'Checking' } as const;

function Checked({ use }: { use: HubUse }) {
  return (
    <div class="notice">
      <Icon name="check" />
      <p class="grow">Checked: all its files are here and undamaged.</p>
      <button type="button" class="button" onClick={() => forgetSearch(use)}>
        Close
      </button>
    </div>
  );
}

function Fetching({ search: { progress, found, checkOnly } }: { search: Search }) {
  const share = progress === null ? 0 : progress.bytes / Math.max(1, progress.totalBytes);
  const words =
    progress === null
      ? 'Beginning'
      : [
          `${DOING[progress.state]} ${visible(progress.file)}`,
          `${bytes(progress.bytes)} of ${bytes(progress.totalBytes)}`,
          ...(progress.rate > 0 ? [`${bytes(progress.rate)}/s`] : []),
          ...(progress.secondsLeft === null ? [] : [`${duration(progress.secondsLeft)} left`]),
        ].join(' · ');
  return (
    <div class="notice">
      <div class="stack">
        <p aria-live="off">{words}</p>
        {progress !== null && progress.note !== '' && <p class="muted">{visibleLines(progress.note)}</p>}
        <div
          class="bar"
          role="progressbar"
          aria-label={`${checkOnly ? 'Checking' : 'Fetching'} ${visible(found?.id ?? '')}`}
          aria-valuenow={Math.round(share * 100)}
        >
          <i style={{ width: percent(share, 1).replace(' ', '') }} />
        </div>
        <p class="small muted">
          {checkOnly
            ? 'What is damaged is fetched again. The page can be used meanwhile.'
            : 'It is kept on this device as it arrives. The page can be used meanwhile; closing it only pauses this.'}
        </p>
      </div>
      <button type="button" class="button" onClick={() => void cancelFetch()}>
        Cancel
      </button>
    </div>
  );
}

const WAY = { retry: 'Try again', resume: 'Go on with the download' } as const;

function Failed({ use, problem }: { use: HubUse; problem: HubProblem }) {
  return (
    <div class={problem.calm === true ? 'notice' : 'notice error-box'} role="alert">
      {problem.calm !== true && <Icon name="warning" />}
      <div class="stack">
        <p>
          <b>{visibleLines(problem.title)}</b>
        </p>
        {problem.advice !== '' && <p>{problem.advice}</p>}
        {problem.ways.includes('token') && <TokenForm use={use} primary />}
        <div class="row">
          {problem.ways.map(
            (way) =>
              (way === 'retry' || way === 'resume') && (
                <button key={way} type="button" class="button" onClick={() => void tryAgain(use)}>
                  {WAY[way]}
                </button>
              ),
          )}
          <button type="button" class="button plain" onClick={() => forgetSearch(use)}>
            Choose something else
          </button>
        </div>
        {problem.ways.includes('mirror') && (
          <p class="small">Another address of the hub can be set under “Mirror and access token”.</p>
        )}
      </div>
    </div>
  );
}
