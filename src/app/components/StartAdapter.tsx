import { forgetAdapter, pickAdapter } from '../actions.ts';
import { config } from '../settings.ts';
import { busy } from '../signals.ts';

/** The adapter the run starts from, in the Model stage. */
export function StartAdapter() {
  const { adapter, lora, sft } = config.value;
  const chosen = adapter !== 'none';
  return (
    <section class="card" aria-label="Start adapter">
      <header>
        <h3>{chosen ? `Starts from ${adapter}` : 'Start from an adapter'}</h3>
        <div class="row">
          {chosen && (
            <button type="button" class="button plain" disabled={busy.value} onClick={forgetAdapter}>
              Start without
            </button>
          )}
          <button
            type="button"
            class="button"
            disabled={busy.value}
            data-tip="adapter_config.json and adapter_model.safetensors together, or a zip file with both. A folder can be dropped on the page."
            onClick={() => void pickAdapter()}
          >
            {chosen ? 'Use another' : 'Use an adapter'}
          </button>
        </div>
      </header>
      <p class="muted">
        {chosen
          ? `Rank ${lora.rank}, alpha ${lora.alpha}, ${lora.targets.join(', ')}. ${
              sft.epochs === 0
                ? 'It takes the place of SFT: its answers become the negatives, and DPO goes on from it.'
                : 'SFT trains it further on your targets first.'
            }`
          : 'A LoRA adapter in PEFT’s format, made here or elsewhere for this model, can take the place of SFT.'}
      </p>
    </section>
  );
}
