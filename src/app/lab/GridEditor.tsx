import { useId } from 'preact/hooks';
import type { RunConfig } from '../../pipeline/config.ts';
import { CONFIG_KEYS, type ConfigKey, SETTINGS } from '../../pipeline/settings.ts';
import { Icon } from '../components/Icon.tsx';
import { textOf } from '../fields.ts';
import type { AxisDraft } from './draft.ts';

interface GridEditorProps {
  readonly axes: readonly AxisDraft[];
  readonly settings: RunConfig;
  readonly onChange: (axes: readonly AxisDraft[]) => void;
}

/** Any settings with the values to try: every combination is an arm. */
export function GridEditor({ axes, settings, onChange }: GridEditorProps) {
  const id = useId();
  const free = CONFIG_KEYS.filter((key) => !axes.some((axis) => axis.key === key));
  const replace = (at: number, axis: AxisDraft | null) =>
    onChange(axes.flatMap((each, i) => (i !== at ? [each] : axis === null ? [] : [axis])));
  return (
    <section class="card" aria-labelledby={id}>
      <header>
        <h3 id={id}>Your own grid</h3>
        <span class="small muted">Self-Contrast at every combination of the values</span>
      </header>
      {axes.map((axis, at) => (
        <Axis key={axis.key} axis={axis} onChange={(next) => replace(at, next)} />
      ))}
      <label class="field grid-add">
        <span class="label">{axes.length === 0 ? 'Try several values of' : 'And of'}</span>
        <select
          class="input"
          value=""
          onChange={(event) => {
            const key = free.find((each) => each === event.currentTarget.value);
            if (key !== undefined) onChange([...axes, { key, text: suggested(settings, key) }]);
            event.currentTarget.value = '';
          }}
        >
          <option value="">Choose a setting</option>
          {free.map((key) => (
            <option key={key} value={key}>
              {SETTINGS[key].label} ({key})
            </option>
          ))}
        </select>
      </label>
    </section>
  );
}

/** Choices are few enough to try all of them; of a number, half and double are a start. */
function suggested(settings: RunConfig, key: ConfigKey): string {
  const { kind, choices } = SETTINGS[key];
  const now = textOf(settings, key);
  if (kind === 'choice' && choices !== undefined) return choices.join(', ');
  const value = Number(now);
  if (kind === 'number' && value > 0) return [value / 2, value, value * 2].join(', ');
  if (kind === 'integer' && value >= 2) return [Math.floor(value / 2), value, value * 2].join(', ');
  return `${now}${kind === 'list' ? '; ' : ', '}`;
}

function Axis({ axis, onChange }: { axis: AxisDraft; onChange: (axis: AxisDraft | null) => void }) {
  const id = useId();
  const key = CONFIG_KEYS.find((each) => each === axis.key);
  const setting = key === undefined ? null : SETTINGS[key];
  const label = setting?.label ?? axis.key;
  const separated = setting?.kind === 'list' ? 'lists separated by semicolons' : 'separated by commas';
  return (
    <div class="field grid-axis" data-tip={setting?.help}>
      <label class="label" for={id}>
        <span>
          {label} <span class="mono">{axis.key}</span>, values {separated}
        </span>
      </label>
      <div class="with-unit">
        <input
          id={id}
          class="input"
          value={axis.text}
          autocomplete="off"
          spellcheck={false}
          maxLength={500}
          onInput={(event) => onChange({ ...axis, text: event.currentTarget.value })}
        />
        {setting !== null && setting.unit !== '' && <span class="unit">{setting.unit}</span>}
        <button
          type="button"
          class="button plain square"
          aria-label={`Leave out ${label}`}
          onClick={() => onChange(null)}
        >
          <Icon name="cross" />
        </button>
      </div>
    </div>
  );
}
