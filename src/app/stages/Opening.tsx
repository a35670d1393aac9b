import { chooseModel, pickDataset, start } from '../actions.ts';
import { Icon } from '../components/Icon.tsx';
import { EXAMPLE_NAME } from '../example.ts';
import { count } from '../format.ts';
import { activity, records, view } from '../signals.ts';

/** The first minute: the example is loaded, one button runs it, two quieter ways lead in. */
export function Opening() {
  const { dataset } = records.value;
  const counts = dataset?.info.counts;
  const shown = pick(counts?.rows ?? 0, 4).map((index) => dataset?.rows.at(index));
  const { manifest } = view.value;
  const own = dataset !== null && dataset.info.name !== EXAMPLE_NAME;
  return (
    <div class="page opening">
      <div class="stack">
        <h2>Align a small language model with its own mistakes</h2>
        <p class="promise">
          <Icon name="lock" /> Runs on this device. Nothing is uploaded.
        </p>
        <p class="lead">
          Give prompts with the answers you want. The model answers each one many times; answers that mean
          something else than yours become negatives, and the model learns to prefer your answer over all of
          them. No one has to rank anything. You get a LoRA adapter that loads in PEFT, transformers and vLLM.
        </p>
      </div>
      <div class="row" style={{ gap: '12px' }}>
        <button
          type="button"
          class="button primary large"
          disabled={activity.value !== 'idle'}
          onClick={() => void start()}
        >
          {own || manifest !== null ? 'Align the model' : 'Align the example model'}
        </button>
        <button type="button" class="button plain" onClick={() => void pickDataset()}>
          Use my prompts
        </button>
        <button type="button" class="button plain" onClick={chooseModel}>
          Use another model
        </button>
      </div>
      <p class="small muted">
        The example takes a few minutes. Your prompts: JSON, JSON Lines, CSV or Parquet files, also gzipped,
        in any form that data sets come in; drop them anywhere. Another model: by its id on a model hub, or a
        folder in Hugging Face layout.
      </p>
      <section class="card" style={{ minHeight: '236px' }}>
        <header>
          <h3>{dataset?.info.name ?? 'The example data'}</h3>
          {counts !== undefined && (
            <span class="small muted">
              {count(counts.rows)} prompts
              {counts.heldOut > 0 && `, ${count(counts.heldOut)} more held out`}
            </span>
          )}
        </header>
        <table class="sample-table">
          <thead>
            <tr>
              <th scope="col">Prompt</th>
              <th scope="col">Target answer</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((row, at) => (
              <tr key={at}>
                <td class="text">{row?.prompt}</td>
                <td class="text">{row?.target}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      <ol class="steps small muted">
        <li>
          <b>Learn the form.</b> A short fine-tuning on your answers (SFT).
        </li>
        <li>
          <b>Find the negatives.</b> Many answers a prompt, compared with yours by meaning; the unlike ones
          are kept.
        </li>
        <li>
          <b>Prefer yours.</b> Preference training (DPO) against many negatives at once, then a test on
          held-out prompts.
        </li>
      </ol>
    </div>
  );
}

/** Indices spread over the rows, so that the few shown are not all of one kind. */
function pick(total: number, wanted: number): number[] {
  const amount = Math.min(total, wanted);
  return Array.from({ length: amount }, (_, at) => Math.floor((at * total) / amount));
}
