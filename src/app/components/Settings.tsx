import { useId, useState } from 'preact/hooks';
import { STAGES, type Stage } from '../../pipeline/types.ts';
import { discardEdits, edit } from '../actions.ts';
import { changedFields, type Field } from '../fields.ts';
import { config, describe, fieldsOf, savedConfig, staleFrom } from '../settings.ts';
import { busy, edits } from '../signals.ts';
import { STAGE_NAME } from '../stagetext.ts';

/** A stage's settings: a few in sight, the rest under More, and what a change would redo. */
export function Settings({ stage }: { stage: Stage }) {
  const few = fieldsOf(stage, false);
  const rest = fieldsOf(stage, true);
  if (few.length + rest.length === 0) return null;
  return (
    <section class="card" aria-label={`Settings of ${STAGE_NAME[stage]}`}>
      <header>
        <h3>Settings</h3>
        {busy.value && <span class="small muted">Pause the run to change them.</span>}
      </header>
      {few.length > 0 && (
        <div class="fields">
          {few.map((field) => (
            <FieldInput key={field.key} field={field} />
          ))}
        </div>
      )}
      {rest.length > 0 && (
        <details>
          <summary>More</summary>
          <div class="fields">
            {rest.map((field) => (
              <FieldInput key={field.key} field={field} />
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
  if (from === null || edited === null) return null;
  const names = STAGES.slice(STAGES.indexOf(from)).map((stage) => STAGE_NAME[stage]);
  const changed = changedFields(savedConfig.value, edited).map((field) => describe(field.key).label.toLowerCase());
  return (
    <section class="notice warn-box" aria-live="polite">
      <div class="stack">
        <p>
          <b>Changed: {changed.join(', ')}.</b> {names.join(', ')} will be redone with the next start. Until then the
          results shown are those of the old settings.
        </p>
      </div>
      <button type="button" class="button" onClick={discardEdits}>
        Undo the changes
      </button>
    </section>
  );
}

/** One setting: labelled, with its unit, its help on hover and focus. */
export function FieldInput({ field }: { field: Field }) {
  const id = useId();
  const { label, unit, help } = describe(field.key);
  const changed = field.get(config.value) !== field.get(savedConfig.value);
  return (
    <div class="field" data-tip={help}>
      {field.kind === 'list' ? (
        <span class="label" id={`${id}-label`}>
          {label}
        </span>
      ) : (
        <label for={id}>
          {label}
          {changed && <span class="changed">changed</span>}
        </label>
      )}
      <div class="with-unit">
        <Control field={field} id={id} />
        {unit !== '' && <span class="unit">{unit}</span>}
      </div>
      <span class="sr" id={`${id}-help`}>
        {help}
      </span>
    </div>
  );
}

function Control({ field, id }: { field: Field; id: string }) {
  const common = { id, disabled: busy.value, 'aria-describedby': `${id}-help` };
  switch (field.kind) {
    case 'number':
      return <NumberInput field={field} {...common} />;
    case 'text':
      return (
        <input
          class="input"
          type="text"
          spellcheck={false}
          value={field.get(config.value)}
          onChange={(event) => edit(field.set(config.value, event.currentTarget.value.trim()))}
          {...common}
        />
      );
    case 'choice':
      return (
        <select
          class="input"
          value={field.get(config.value)}
          onChange={(event) => edit(field.set(config.value, event.currentTarget.value))}
          {...common}
        >
          {field.options.map(({ value, label }) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </select>
      );
    case 'list': {
      const chosen = field.get(config.value);
      return (
        <fieldset class="row" style={{ border: 0, margin: 0, padding: 0 }} aria-labelledby={`${id}-label`}>
          {field.options.map((option) => (
            <label class="check" key={option}>
              <input
                type="checkbox"
                disabled={busy.value}
                checked={chosen.includes(option)}
                aria-describedby={`${id}-help`}
                onChange={(event) => {
                  const on = event.currentTarget.checked;
                  const next = field.options.filter((each) => (each === option ? on : chosen.includes(each)));
                  if (next.length > 0) edit(field.set(config.value, next));
                  else event.currentTarget.checked = true;
                }}
              />
              <span class="mono">{option}</span>
            </label>
          ))}
        </fieldset>
      );
    }
  }
}

interface NumberInputProps {
  readonly field: Extract<Field, { kind: 'number' }>;
  readonly id: string;
  readonly disabled: boolean;
  readonly 'aria-describedby': string;
}

/** A number as text, so that 5e-4 can be typed; a value out of bounds is said and not taken. */
function NumberInput({ field, ...common }: NumberInputProps) {
  const [draft, setDraft] = useState<string | null>(null);
  const { min, max } = describe(field.key);
  const value = field.get(config.value);
  const fault = draft === null ? '' : faultOf(draft, field.whole, min, max);
  const take = () => {
    if (draft !== null && fault === '') {
      edit(field.set(config.value, Number(draft)));
      setDraft(null);
    }
  };
  return (
    <div class="stack" style={{ gap: '2px', flex: 1 }}>
      <input
        class="input"
        type="text"
        inputMode="decimal"
        value={draft ?? String(value)}
        aria-invalid={fault !== ''}
        onInput={(event) => setDraft(event.currentTarget.value)}
        onBlur={() => {
          take();
          setDraft(null);
        }}
        onKeyDown={(event) => {
          if (event.key === 'Enter') take();
          if (event.key === 'Escape') setDraft(null);
        }}
        {...common}
      />
      {fault !== '' && (
        <span class="small bad" role="alert">
          {fault}
        </span>
      )}
    </div>
  );
}

function faultOf(text: string, whole: boolean, min: number | undefined, max: number | undefined): string {
  const value = Number(text.trim());
  if (text.trim() === '' || !Number.isFinite(value)) return 'Not a number';
  if (whole && !Number.isInteger(value)) return 'Whole numbers only';
  if (min !== undefined && value < min) return `At least ${min}`;
  if (max !== undefined && value > max) return `At most ${max}`;
  return '';
}
