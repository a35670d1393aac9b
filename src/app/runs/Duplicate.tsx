import { useId, useState } from 'preact/hooks';
import { type RunConfig, setKey } from '../../pipeline/config.ts';
import { CONFIG_KEYS, type ConfigKey, SETTINGS } from '../../pipeline/settings.ts';
import { type RunManifest, STAGES } from '../../pipeline/types.ts';
import { copyPlan, duplicateRun } from '../actions.ts';
import { changedKeys, OPTION_NAME, textOf } from '../fields.ts';
import { STAGE_NAME } from '../stagetext.ts';
import { Dialog } from './Dialog.tsx';

interface DuplicateProps {
  readonly run: RunManifest;
  /** Settings to begin with: those of the run, or as they were edited. */
  readonly config: RunConfig;
  readonly onClose: () => void;
}

/** A copy of a run with some settings changed; says what the copy takes over before it is made. */
export function DuplicateDialog({ run, config: initial, onClose }: DuplicateProps) {
  const [config, setConfig] = useState(initial);
  const [keys, setKeys] = useState<readonly ConfigKey[]>(changedKeys(run.config, initial));
  const [name, setName] = useState(`${run.name} (copy)`);
  const [making, setMaking] = useState(false);
  const free = CONFIG_KEYS.filter((key) => !keys.includes(key));
  return (
    <Dialog title={`Duplicate “${run.name}”`} onClose={onClose}>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          setMaking(true);
          void duplicateRun(run, name.trim(), config).then((made) => {
            setMaking(false);
            if (made) onClose();
          });
        }}
      >
        <label class="field">
          <span class="label">Name of the copy</span>
          <input
            class="input"
            value={name}
            maxLength={80}
            required
            onInput={(event) => setName(event.currentTarget.value)}
          />
        </label>
        {keys.map((key) => (
          <ChangeField key={key} name={key} config={config} was={run.config} onChange={setConfig} />
        ))}
        <label class="field">
          <span class="label">Change a setting</span>
          <select
            class="input"
            value=""
            onChange={(event) => {
              const key = free.find((each) => each === event.currentTarget.value);
              if (key !== undefined) setKeys([...keys, key]);
              event.currentTarget.value = '';
            }}
          >
            <option value="">Choose one</option>
            {free.map((key) => (
              <option key={key} value={key}>
                {SETTINGS[key].label} ({key})
              </option>
            ))}
          </select>
        </label>
        <Plan run={run} config={config} />
        <div class="row">
          <button class="button primary" type="submit" disabled={making}>
            {making ? 'Copying' : 'Duplicate'}
          </button>
          <button class="button" type="button" onClick={onClose}>
            Cancel
          </button>
        </div>
      </form>
    </Dialog>
  );
}

/** What is copied, and what the copy has to do again. */
function Plan({ run, config }: { run: RunManifest; config: RunConfig }) {
  const { copied } = copyPlan(run, config);
  const names = (stages: readonly (typeof STAGES)[number][]) =>
    stages.map((stage) => STAGE_NAME[stage]).join(', ');
  const rest = STAGES.filter((stage) => !copied.includes(stage));
  return (
    <p class="notice" aria-live="polite">
      <span>
        {copied.length > 0 ? `Copied, and not done again: ${names(copied)}. ` : 'No results are copied. '}
        {rest.length > 0 ? `Done by the copy itself: ${names(rest)}.` : 'Nothing has to be done again.'}
      </span>
    </p>
  );
}

interface ChangeFieldProps {
  readonly name: ConfigKey;
  readonly config: RunConfig;
  readonly was: RunConfig;
  readonly onChange: (next: RunConfig) => void;
}

function ChangeField({ name, config, was, onChange }: ChangeFieldProps) {
  const { kind, label, unit, help, choices } = SETTINGS[name];
  const id = useId();
  const [fault, setFault] = useState('');
  const take = (input: { value: string; setCustomValidity(fault: string): void }) => {
    try {
      onChange(setKey(config, name, input.value));
      setFault('');
      input.setCustomValidity('');
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      setFault(message.replace(`${name}: `, ''));
      input.setCustomValidity(message);
    }
  };
  return (
    <div class="field" data-tip={help}>
      <label class="label" for={id}>
        {label}
        {unit !== '' && `, ${unit}`} <span class="muted">(was {textOf(was, name)})</span>
      </label>
      {kind === 'choice' ? (
        <select
          id={id}
          class="input"
          value={textOf(config, name)}
          onChange={(event) => take(event.currentTarget)}
        >
          {choices?.map((choice) => (
            <option key={choice} value={choice}>
              {OPTION_NAME[choice] ?? choice}
            </option>
          ))}
        </select>
      ) : (
        <input
          id={id}
          class="input"
          spellcheck={false}
          autocomplete="off"
          defaultValue={textOf(config, name)}
          aria-invalid={fault !== ''}
          onInput={(event) => take(event.currentTarget)}
        />
      )}
      {fault !== '' && (
        <span class="small bad" role="alert">
          {fault}
        </span>
      )}
    </div>
  );
}
