import { useEffect, useState } from 'preact/hooks';
import type { HubUse } from '../../hub/api.ts';
import { listModels, lookUp } from '../actions.ts';
import { SettingInput } from '../components/Settings.tsx';
import { config } from '../settings.ts';
import { busy } from '../signals.ts';
import { FolderTab } from './FolderTab.tsx';
import { hostOf, USES } from './names.ts';
import { SearchPanel } from './SearchPanel.tsx';
import { StoredTab, storedCount } from './StoredTab.tsx';
import { searches } from './state.ts';
import { SUGGESTED } from './suggestions.ts';
import { TokenForm } from './TokenForm.tsx';

type Tab = 'hub' | 'folder' | 'stored';

/** Where a model or an embedder comes from: a hub, a folder, or what is stored already. */
export function Chooser({ use }: { use: HubUse }) {
  const [tab, setTab] = useState<Tab>('hub');
  useEffect(() => {
    void listModels();
  }, []);
  const tabs: readonly { readonly tab: Tab; readonly label: string }[] = [
    { tab: 'hub', label: 'From a model hub' },
    { tab: 'folder', label: 'From a folder' },
    { tab: 'stored', label: `On this device${storedCount(use)}` },
  ];
  return (
    <div class="stack chooser">
      <div class="row" role="tablist" aria-label="Where it comes from">
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
      {tab === 'hub' && <HubTab use={use} />}
      {tab === 'folder' && <FolderTab use={use} />}
      {tab === 'stored' && <StoredTab use={use} onSearch={() => setTab('hub')} />}
    </div>
  );
}

function HubTab({ use }: { use: HubUse }) {
  const search = searches.value[use];
  const [name, setName] = useState(search?.request.name ?? '');
  const fetching = search?.step === 'fetching';
  const ask = (id: string) => {
    setName(id);
    void lookUp(use, id);
  };
  return (
    <>
      <form
        class="row"
        onSubmit={(event) => {
          event.preventDefault();
          if (name.trim() !== '') ask(name);
        }}
      >
        <input
          class="input hub-id"
          aria-label={`Id of the ${USES[use]}`}
          placeholder="owner/name, or owner/name@revision"
          data-tip="As on the model's page. A revision is a branch, a tag or a commit; without one it is the newest of the main branch."
          spellcheck={false}
          autocomplete="off"
          autocapitalize="off"
          disabled={fetching}
          value={name}
          onInput={(event) => setName(event.currentTarget.value)}
        />
        <button
          type="submit"
          class="button"
          disabled={fetching || search?.step === 'asking' || name.trim() === ''}
          data-tip={`Asks ${hostOf(config.value.hub)} for the list of files and their sizes. Nothing large is fetched yet.`}
        >
          {search?.step === 'asking' ? 'Looking' : 'Look it up'}
        </button>
      </form>
      {search !== null && <SearchPanel use={use} search={search} />}
      {search === null && SUGGESTED[use].length > 0 && <Suggestions use={use} onPick={ask} />}
      <details>
        <summary>Mirror and access token</summary>
        <div class="stack">
          <div class="hub-address">
            <SettingInput name="hub" />
          </div>
          {/* One field for it at a time: what failed may ask for a token itself. */}
          {search?.problem?.ways.includes('token') !== true && <TokenForm use={use} />}
        </div>
      </details>
    </>
  );
}

function Suggestions({ use, onPick }: { use: HubUse; onPick: (id: string) => void }) {
  return (
    <ul class="choices" aria-label="Suggestions">
      {SUGGESTED[use].map((each) => (
        <li key={each.id}>
          <button
            type="button"
            class="choice"
            disabled={busy.value && searches.value[use]?.step === 'fetching'}
            onClick={() => onPick(each.id)}
          >
            <span class="name">{each.id}</span>
            <span class="small muted">
              {each.words} {each.licence}
              {each.gated === true ? ', to be accepted on the hub first.' : '.'}
            </span>
          </button>
        </li>
      ))}
    </ul>
  );
}
