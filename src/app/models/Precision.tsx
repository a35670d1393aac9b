import { PRECISIONS, type Precision } from '../../model/precision.ts';
import { SETTINGS } from '../../pipeline/settings.ts';
import { edit } from '../actions.ts';
import { Term } from '../components/Tip.tsx';
import { bytes } from '../format.ts';
import { config } from '../settings.ts';
import { busy } from '../signals.ts';
import { fits } from './state.ts';

/** What each costs, in plain words. The adapter and all sums are float32 in each of them. */
const WORDS: Readonly<Record<Precision, readonly [name: string, words: string]>> = {
  f32: ['Exact (f32)', 'Every weight as 32 bits. The largest, and what the others are measured against.'],
  f16: [
    'Half (f16)',
    'Every weight as 16 bits: half the memory, hardly a difference. A graphics card that does not compute with 16 bits keeps 32.',
  ],
  q8: [
    '8 bits (q8)',
    'Blocks of weights share a scale: about a quarter of the memory, and answers that differ a little.',
  ],
  q4: [
    '4 bits (q4)',
    'The least memory. Answers differ clearly from those of the exact model; the adapter learns on top of them.',
  ],
};

/** How the frozen weights are kept, with what each way would need here. */
export function PrecisionChoice() {
  const chosen = config.value.precision;
  const { others } = fits.value;
  return (
    <fieldset class="precisions" disabled={busy.value}>
      <legend class="small muted">
        <Term help={SETTINGS.precision.help}>{SETTINGS.precision.label}</Term>
      </legend>
      {PRECISIONS.map((precision) => {
        const [name, words] = WORDS[precision];
        const fit = others[precision];
        return (
          <label key={precision} class="precision">
            <span class="row spread">
              <span class="check">
                <input
                  type="radio"
                  name="precision"
                  checked={precision === chosen}
                  onChange={() => edit({ ...config.value, precision })}
                />
                <b>{name}</b>
              </span>
              <span class={fit === undefined || fit.fits ? 'small muted' : 'small bad'}>
                {fit !== undefined && `${bytes(fit.need.peak)}${fit.fits ? '' : ', does not fit'}`}
              </span>
            </span>
            <span class="small muted">{words}</span>
          </label>
        );
      })}
    </fieldset>
  );
}
