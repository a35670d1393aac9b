import { useState } from 'preact/hooks';
import { view } from '../signals.ts';
import type { TrainStage } from '../state.ts';

/** The same few held-out prompts answered again as training goes on; any earlier step can be looked at. */
export function Previews({ stage }: { stage: TrainStage }) {
  const previews = view.value.previews[stage];
  const [chosen, setChosen] = useState<number | null>(null);
  const at = chosen === null ? previews.length - 1 : Math.min(chosen, previews.length - 1);
  const now = previews[at];
  const before = previews[0];
  if (now === undefined || before === undefined) return null;
  return (
    <section class="card">
      <header>
        <h3>The same prompts, answered at step {now.step}</h3>
        {previews.length > 1 && (
          <label class="row small muted">
            step
            <input
              type="range"
              min={0}
              max={previews.length - 1}
              value={at}
              aria-valuetext={`step ${now.step}`}
              onInput={(event) => {
                const next = Number(event.currentTarget.value);
                setChosen(next === previews.length - 1 ? null : next);
              }}
            />
          </label>
        )}
      </header>
      <table class="sample-table">
        <thead>
          <tr>
            <th scope="col">Prompt</th>
            {before !== now && <th scope="col">Step {before.step}</th>}
            <th scope="col">Step {now.step}</th>
          </tr>
        </thead>
        <tbody>
          {now.answers.map((answer, row) => (
            <tr key={answer.prompt}>
              <td class="text">{answer.prompt}</td>
              {before !== now && <td class="text muted">{before.answers[row]?.text}</td>}
              <td class="text">{answer.text}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
