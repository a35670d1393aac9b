import { useId, useState } from 'preact/hooks';
import { setKey } from '../../pipeline/config.ts';
import { type ConfigKey, SETTINGS } from '../../pipeline/settings.ts';
import { STAGES, type Stage } from '../../pipeline/types.ts';
import { discardEdits, edit } from '../actions.ts';
import { changedKeys, keysOf, OPTION_NAME, textOf } from '../fields.ts';
import { DuplicateDialog } from '../runs/Duplicate.tsx';
import { config, marksUnused, savedConfig, staleFrom } from '../settings.ts';
import { busy, edits, elsewhere, runWorking, view, working } from '../signals.ts';
import { STAGE_NAME } from '../stagetext.ts';

/** A stage's settings: a few in sight, the rest under More. */
export function Settings({ stage }: { stage: Stage }) {
  const few = keysOf(stage, false);
  const rest = keysOf(stage, true);
  if (few.length + rest.length === 0) return null;
  return (
    <section class="card" aria-label={`Settings of ${STAGE_NAME[stage]}`}>
      <header>
        <h3>Settings</h3>
        {working.value && (
          <span class="small muted">
            {runWorking.value
              ? 'Pause the run to change them.'
              : 'A lab is at work; pause it to change them.'}
          </span>
        )}
        {elsewhere.value && (
          <span class="small muted">Running in another tab: nothing can be changed here.</span>
        )}
      </header>
      {few.length > 0 && (
        <div class="fields">
          {few.map((key) => (
            <SettingInput key={key} name={key} />
          ))}
        </div>
      )}
      {rest.length > 0 && (
        <details>
          <summary>More</summary>
          <div class="fields">
            {rest.map((key) => (
              <SettingInput key={key} name={key} />
            ))}
          </div>
        </details>
      )}
    </section>
  );
}

/** Says which stages will be redone with changed settings, before anything is thrown away. */
export function RedoNotice() {
  const from = staleFrom.value;
  const edited = edits.value;
  const run = view.value.manifest;
  const [copying, setCopying] = useState(false);
  if (from === null) return null;
  const names = STAGES.slice(STAGES.indexOf(from)).map((stage) => STAGE_NAME[stage]);
  const changed = changedKeys(savedConfig.value, edited ?? savedConfig.value).map(
    (key) => SETTINGS[key].label,
  );
  if (marksUnused.value) changed.push('answers marked as right');
  return (
    <section class="notice warn-box redo" aria-live="polite">
      <div class="stack">
        <p>
          <b>Changed: {changed.join(', ')}.</b> The next start does again: {names.join(', ')}. Until then the
          results are those of the old settings.
        </p>
      </div>
      {edited !== null && (
        <button type="button" class="button" onClick={discardEdits}>
          Undo the changes
        </button>
      )}
      {edited !== null && run !== null && (
        <button
          type="button"
          class="button"
          data-tip="Leaves this run as it is, and makes a copy with the changed settings."
          onClick={() => setCopying(true)}
        >
          Keep this run, change a copy
        </button>
      )}
      {copying && edited !== null && run !== null && (
        <DuplicateDialog run={run} config={edited} onClose={() => setCopying(false)} />
      )}
    </section>
  );
}

/** One setting: labelled, with its unit, its help on hover and focus, and what is wrong with a refused value. */
export function SettingInput({ name }: { name: ConfigKey }) {
  const id = useId();
  const { kind, label, unit, help, choices } = SETTINGS[name];
  const [draft, setDraft] = useState<string | null>(null);
  const [fault, setFault] = useState('');
  const value = textOf(config.value, name);
  const changed = value !== textOf(savedConfig.value, name);

  /** Takes a value, or says why not. */
  const take = (text: string, whenRefused: (message: string) => void = setFault) => {
    try {
      edit(setKey(config.value, name, text));
      setFault('');
      setDraft(null);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      whenRefused(message.replace(`${name}: `, ''));
    }
  };
  const common = {
    id,
    class: 'input',
    disabled: busy.value,
    'aria-describedby': fault === '' ? `${id}-help` : `${id}-fault ${id}-help`,
  };
  return (
    <div class={kind === 'list' ? 'field wide' : 'field'} data-tip={help}>
      <label class="label" id={`${id}-label`} for={kind === 'list' ? undefined : id}>
        {label}
        {changed && <span class="changed">changed</span>}
      </label>
      <div class="with-unit">
        {kind === 'choice' && (
          <select {...common} value={value} onChange={(event) => take(event.currentTarget.value)}>
            {choices?.map((choice) => (
              <option key={choice} value={choice}>
                {OPTION_NAME[choice] ?? choice}
              </option>
            ))}
          </select>
        )}
        {kind === 'list' && (
          <Checks
            id={id}
            choices={choices ?? []}
            value={value.split(',')}
            onChange={(next) => take(next.join(','))}
          />
        )}
        {kind !== 'choice' && kind !== 'list' && (
          <input
            {...common}
            type="text"
            inputMode={kind === 'text' ? 'text' : 'decimal'}
            spellcheck={false}
            autocomplete="off"
            value={draft ?? value}
            aria-invalid={fault !== ''}
            onInput={(event) => setDraft(event.currentTarget.value)}
            onBlur={() => {
              if (draft !== null) take(draft);
            }}
            onKeyDown={(event) => {
              if (event.key === 'Enter' && draft !== null) take(draft);
              if (event.key === 'Escape') {
                setDraft(null);
                setFault('');
              }
            }}
          />
        )}
        {unit !== '' && <span class="unit">{unit}</span>}
      </div>
      {fault !== '' && (
        <span class="small bad" id={`${id}-fault`} role="alert">
          {fault}
        </span>
      )}
      <span class="sr" id={`${id}-help`}>
        {help}
      </span>
    </div>
  );
}

interface ChecksProps {
  readonly id: string;
  readonly choices: readonly string[];
  readonly value: readonly string[];
  readonly onChange: (next: readonly string[]) => void;
}

function Checks({ id, choices, value, onChange }: ChecksProps) {
  return (
    <fieldset
      class="checks"
      aria-labelledby={`${id}-label`}
      aria-describedby={`${id}-help`}
      disabled={busy.value}
    >
      {choices.map((choice) => (
        <label class="check" key={choice}>
          <input
            type="checkbox"
            checked={value.includes(choice)}
            onChange={(event) => {
              const on = event.currentTarget.checked;
              onChange(choices.filter((each) => (each === choice ? on : value.includes(each))));
            }}
          />
          <span class="mono">{choice}</span>
        </label>
      ))}
    </fieldset>
  );
}
