import { useEffect, useId, useRef } from 'preact/hooks';
import type { Mapping } from '../../../pipeline/import/index.ts';
import type { FilePreview } from '../../../service/data-service.ts';
import { cancelImport, readMapped, setMapping } from '../../actions.ts';
import { count, plural } from '../../format.ts';
import type { MappingStep } from '../../importing.ts';
import { Conversation } from './Conversation.tsx';

const ROLES: readonly { role: keyof Mapping; label: string; help: string }[] = [
  { role: 'prompt', label: 'Prompt', help: 'What is asked. Every row needs one.' },
  {
    role: 'target',
    label: 'Target answer',
    help: 'The answer you want. Rows without one are only used for evaluation.',
  },
  {
    role: 'rejected',
    label: 'Rejected answer',
    help: 'A worse answer that comes with the data, for standard DPO as a baseline. Most data has none.',
  },
  {
    role: 'system',
    label: 'System prompt',
    help: 'Instructions that stand before the prompt. Most data has none.',
  },
];

/** Which column is what, with the first rows as they would be read. */
export function MappingPanel({ now }: { now: MappingStep }) {
  const { files, previews, mapped, mapping, shown, fault } = now;
  const box = useRef<HTMLElement>(null);
  // The question comes while the user waits for something else, so the keyboard is led to it.
  useEffect(() => box.current?.focus(), []);
  const first = previews[mapped[0] ?? 0];
  if (first === undefined) return null;
  const usable = shown !== null && shown.rows.length > 0;
  const others = mapped.length - 1;
  return (
    <section class="card" aria-label="Which column is what" tabIndex={-1} ref={box}>
      <header>
        <h3>Which column is what?</h3>
        <span class="small muted">
          {first.container}, {plural(first.columns.length, 'column')}
        </span>
      </header>
      <p>
        {first.format === null ? (
          <>
            The columns of <bdi>{first.name}</bdi> are not known here, so please say what they are.
          </>
        ) : (
          <>
            <bdi>{first.name}</bdi> is {first.format} by itself. Name the columns to read it differently.
          </>
        )}
        {others > 0 && ` The same columns are used for ${plural(others, 'more file')}.`}
      </p>
      <div class="mapping">
        {ROLES.map((each) => (
          <ColumnChoice key={each.role} {...each} columns={first.columns} mapping={mapping} />
        ))}
      </div>
      <div class="stack" aria-live="polite">
        <h3>{heading(shown)}</h3>
        {fault !== '' && (
          <p class="bad" role="alert">
            {fault}
          </p>
        )}
        <ul class="previews">
          {shown?.rows.map((row, at) => (
            <li key={at}>
              <Conversation row={row} />
            </li>
          ))}
        </ul>
        {shown?.refused.map(({ line, reason }) => (
          <p class="small warn" key={line}>
            Line {count(line)} would be refused: {reason}
          </p>
        ))}
        {shown?.notes.map((note) => (
          <p class="small muted" key={note}>
            {note}
          </p>
        ))}
      </div>
      <details>
        <summary>The first records as they stand in the file</summary>
        <pre class="details">{first.records.join('\n')}</pre>
      </details>
      <div class="row">
        <button type="button" class="button primary" disabled={!usable} onClick={() => void readMapped()}>
          {files.length === 1 ? 'Read the file' : `Read ${plural(files.length, 'file')}`}
        </button>
        <button type="button" class="button" onClick={cancelImport}>
          Cancel
        </button>
      </div>
    </section>
  );
}

function heading(shown: FilePreview | null): string {
  if (shown === null) return 'The first rows';
  const { length } = shown.rows;
  return length === 0
    ? 'None of the first rows can be read so'
    : `The first ${plural(length, 'row')}, read so`;
}

interface ColumnChoiceProps {
  readonly role: keyof Mapping;
  readonly label: string;
  readonly help: string;
  readonly columns: readonly string[];
  readonly mapping: Mapping;
}

function ColumnChoice({ role, label, help, columns, mapping }: ColumnChoiceProps) {
  const id = useId();
  const choose = (column: string) => {
    const { [role]: _old, ...rest } = mapping;
    void setMapping({ prompt: mapping.prompt, ...rest, ...(column !== '' && { [role]: column }) });
  };
  return (
    <div class="field" data-tip={help}>
      <label class="label" for={id}>
        {label}
      </label>
      <select
        id={id}
        class="input"
        value={mapping[role] ?? ''}
        aria-describedby={`${id}-help`}
        onChange={(event) => choose(event.currentTarget.value)}
      >
        {role !== 'prompt' && <option value="">none</option>}
        {columns.map((column) => (
          <option key={column} value={column}>
            {column}
          </option>
        ))}
      </select>
      <span class="sr" id={`${id}-help`}>
        {help}
      </span>
    </div>
  );
}
