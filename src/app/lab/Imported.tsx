import { useState } from 'preact/hooks';
import { pickImported } from '../actions/lab-data.ts';
import { plural } from '../format.ts';
import { working } from '../signals.ts';
import type { Draft, ImportedFile } from './draft.ts';

interface ImportedProps {
  readonly imported: ImportedFile | null;
  /** Answers a prompt of another model that the data bring themselves; 0 is none. */
  readonly own: number;
  readonly onChange: (part: Partial<Draft>) => void;
}

/** Answers of other models, for the plan that compares them with the model's own. */
export function Imported({ imported, own, onChange }: ImportedProps) {
  const [reading, setReading] = useState(false);
  const pick = async () => {
    setReading(true);
    const found = await pickImported();
    setReading(false);
    if (found !== null) onChange({ imported: found });
  };
  return (
    <section class="card" aria-label="Answers of other models">
      <header>
        <h3>Answers of other models</h3>
        <button type="button" class="button" disabled={reading || working.value} onClick={() => void pick()}>
          {reading ? 'Reading' : imported === null ? 'Choose a file' : 'Choose another file'}
        </button>
      </header>
      {imported === null ? (
        <p class="muted">
          {own > 0
            ? `The example brings ${plural(own, 'answer')} a prompt of another model; a file of your own takes their place.`
            : 'A file with answers to the same prompts: rows of a prompt and its answers, a preference data set, or responses.jsonl of another run.'}
        </p>
      ) : (
        <div>
          <p>
            <b>{imported.name}</b>: {plural(imported.answers, 'answer')} a prompt can be compared.
          </p>
          {imported.notes.map((note) => (
            <p key={note} class="small muted">
              {note}
            </p>
          ))}
          {own > 0 && (
            <button type="button" class="link small" onClick={() => onChange({ imported: null })}>
              Use those of the example again
            </button>
          )}
        </div>
      )}
    </section>
  );
}
