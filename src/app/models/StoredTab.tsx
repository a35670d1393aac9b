import { useState } from 'preact/hooks';
import type { CachedModel, HubUse } from '../../hub/api.ts';
import { visible } from '../../model/text.ts';
import { checkCached, choose, hubOf, lookUp, removeCached, removeFolder } from '../actions.ts';
import { Icon } from '../components/Icon.tsx';
import { bytes, moment, percent, plural } from '../format.ts';
import { Dialog } from '../runs/Dialog.tsx';
import { config } from '../settings.ts';
import { busy, runs } from '../signals.ts';
import { hostOf, shortCommit } from './names.ts';
import { SearchPanel } from './SearchPanel.tsx';
import { cachedModels, chosenReward, searches, storedFolders } from './state.ts';

interface Stored {
  readonly key: string;
  readonly name: string;
  readonly words: string;
  readonly bytes: number;
  /** What settings name; null for one that is not whole. */
  readonly setting: string | null;
  /** Set with it; left out, the hub stays as it is. */
  readonly hub?: string | undefined;
  readonly again: (() => void) | null;
  /** Looks for damage; null where nothing is known to compare with. */
  readonly check: (() => void) | null;
  readonly remove: (() => Promise<void>) | null;
}

/** What comes with the page. */
const EMBEDDED: Readonly<Record<HubUse, Pick<Stored, 'name' | 'words'>>> = {
  model: { name: 'Example model', words: 'about a million parameters, comes with this page' },
  embedder: { name: 'Default embedder', words: 'word vectors for English, comes with this page' },
  reward: { name: 'Example reward model', words: 'knows the example data alone, comes with this page' },
};

function storedOf(use: HubUse): Stored[] {
  const cached = (cachedModels.value ?? []).filter((model) => model.use === use).map(ofHub);
  const folders = storedFolders.value
    .filter(({ kind }) => kind === use)
    .map(({ name, bytes: size, created }) => ({
      key: `folder ${name}`,
      name: visible(name),
      words: `a folder of yours · ${moment(created)}`,
      bytes: size,
      setting: name,
      again: null,
      check: null,
      remove: () => removeFolder(name),
    }));
  return [...cached, ...folders];
}

function ofHub(model: CachedModel): Stored {
  const { key, use, hub, id, commit, complete, pinned } = model;
  const share = model.stored / Math.max(1, model.bytes);
  const parts = [
    commit === null ? 'commit not known' : `commit ${shortCommit(visible(commit))}`,
    `from ${hostOf(hub)}`,
    moment(model.changed),
    ...(complete ? [] : [`${percent(share, 0)} fetched`]),
  ];
  return {
    key,
    name: visible(id),
    words: parts.join(' · '),
    bytes: model.stored,
    setting: complete ? pinned : null,
    hub: hubOf(model),
    again: complete ? null : () => void lookUp(use, pinned, hub),
    check: complete ? () => void checkCached(use, pinned, hub) : null,
    remove: () => removeCached(key, id),
  };
}

/** ' (3)', or nothing where there is nothing. */
export function storedCount(use: HubUse): string {
  const { length } = storedOf(use);
  return length === 0 ? '' : ` (${length})`;
}

/**
 * What is on this device, with its size, and ways to use or delete it.
 *
 * @param onSearch shows what is looked up
 */
export function StoredTab({ use, onSearch }: { use: HubUse; onSearch: () => void }) {
  const [deleting, setDeleting] = useState<Stored | null>(null);
  const chosen = use === 'reward' ? chosenReward.value : config.value[use];
  const example: Stored = {
    key: 'default',
    ...EMBEDDED[use],
    bytes: 0,
    setting: 'default',
    again: null,
    check: null,
    remove: null,
  };
  const search = searches.value[use];
  return (
    <>
      {search?.checkOnly === true && <SearchPanel use={use} search={search} />}
      <ul class="choices" aria-label="On this device">
        {[example, ...storedOf(use)].map((each) => (
          <li key={each.key} class="stored">
            <span class="stack">
              <span class="name">{each.name}</span>
              <span class="small muted">{each.words}</span>
            </span>
            <span class="num">{each.bytes > 0 && bytes(each.bytes)}</span>
            <StoredButtons
              stored={each}
              use={use}
              chosen={chosen}
              onSearch={onSearch}
              onDelete={() => setDeleting(each)}
            />
          </li>
        ))}
      </ul>
      {deleting !== null && <DeleteDialog stored={deleting} onClose={() => setDeleting(null)} />}
    </>
  );
}

interface ButtonsProps {
  readonly stored: Stored;
  readonly use: HubUse;
  readonly chosen: string;
  readonly onSearch: () => void;
  readonly onDelete: () => void;
}

function StoredButtons({ stored, use, chosen, onSearch, onDelete }: ButtonsProps) {
  const { name, setting, hub, again, check, remove } = stored;
  return (
    <span class="row">
      {setting !== null && setting === chosen && (
        <span class="mark good">
          <Icon name="check" /> in use
        </span>
      )}
      {setting !== null && setting !== chosen && (
        <button
          type="button"
          class="button"
          aria-label={`Use ${name}`}
          disabled={busy.value}
          onClick={() => choose(use, setting, hub)}
        >
          Use it
        </button>
      )}
      {again !== null && (
        <button
          type="button"
          class="button"
          aria-label={`Go on with ${name}`}
          onClick={() => {
            again();
            onSearch();
          }}
        >
          Go on
        </button>
      )}
      {check !== null && (
        <button
          type="button"
          class="button plain"
          aria-label={`Check ${name}`}
          data-tip="Reads all its files, and fetches again what is damaged."
          disabled={searches.value[use]?.step === 'fetching'}
          onClick={check}
        >
          Check
        </button>
      )}
      {remove !== null && (
        <button
          type="button"
          class="button plain square"
          aria-label={`Delete ${name}`}
          data-tip="Deletes its files from this device."
          onClick={onDelete}
        >
          <Icon name="trash" />
        </button>
      )}
    </span>
  );
}

function DeleteDialog({ stored, onClose }: { stored: Stored; onClose: () => void }) {
  const { name, setting, remove } = stored;
  const users = runs.value.filter(({ config: of }) => of.model === setting || of.embedder === setting);
  return (
    <Dialog title={`Delete ${name}?`} onClose={onClose}>
      <p>
        {bytes(stored.bytes)} are freed.{' '}
        {users.length > 0 &&
          `${plural(users.length, 'run uses it', 'runs use it')}: their results stay, but they can’t go on, chat or be exported until it is here again.`}
      </p>
      <div class="row">
        <button
          type="button"
          class="button primary"
          onClick={() => {
            onClose();
            void remove?.();
          }}
        >
          Delete
        </button>
        <button type="button" class="button" onClick={onClose}>
          Keep it
        </button>
      </div>
    </Dialog>
  );
}
