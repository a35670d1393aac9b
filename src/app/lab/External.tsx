import { useState } from 'preact/hooks';
import type { ReadVerdicts } from '../../lab/worker-api.ts';
import { downloadQuestions, importVerdicts } from '../actions/lab-judge.ts';
import { Icon } from '../components/Icon.tsx';
import { count, plural } from '../format.ts';

/** Refused rows that are listed. */
const LISTED = 100;

/** A judge elsewhere: the questions as a file, its verdicts as another. */
export function External() {
  const [read, setRead] = useState<(ReadVerdicts & { readonly name: string }) | null>(null);
  return (
    <section class="card" aria-label="Let another judge">
      <h3>Let another judge</h3>
      <p>
        Each line of the file has an <span class="mono">id</span>, the prompt and two answers,{' '}
        <span class="mono">a</span> and <span class="mono">b</span>. The judge writes a file of{' '}
        <span class="mono">{'{"id", "verdict"}'}</span> with <span class="mono">a</span>,{' '}
        <span class="mono">b</span> or <span class="mono">tie</span>, as JSON Lines or CSV.
      </p>
      <div class="row">
        <button type="button" class="button" onClick={downloadQuestions}>
          <Icon name="download" /> Questions
        </button>
        <button
          type="button"
          class="button"
          onClick={() =>
            void importVerdicts().then((found) => {
              if (found !== null) setRead(found);
            })
          }
        >
          Import verdicts
        </button>
      </div>
      {read !== null && (
        <div aria-live="polite">
          <p>
            {read.name}: {plural(read.verdicts.length, 'verdict')} stored, {count(read.refused.length)}{' '}
            refused. They are in the results as a duel.
          </p>
          {read.refused.length > 0 && (
            <ul class="reasons small">
              {read.refused.slice(0, LISTED).map(({ line, reason }) => (
                <li key={line}>
                  line {line}: {reason}
                </li>
              ))}
              {read.refused.length > LISTED && <li>and {count(read.refused.length - LISTED)} more</li>}
            </ul>
          )}
        </div>
      )}
    </section>
  );
}
