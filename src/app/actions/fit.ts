/** Whether the shown settings fit this device, and settings that do. */
import { PRECISIONS } from '../../model/precision.ts';
import { type RunConfig, setKey } from '../../pipeline/config.ts';
import type { Suggestion } from '../../pipeline/fit.ts';
import { callWorker } from '../client.ts';
import { fits } from '../models/state.ts';
import { config } from '../settings.ts';
import { busy } from '../signals.ts';
import { edit } from './edits.ts';

/** Works out what the settings need. While a run is at work its worker has no time for it. */
export async function measureFit(): Promise<void> {
  const now = config.value;
  const of = JSON.stringify(now);
  if (busy.value || fits.value.of === of) return;
  const sameModel = fits.value.of !== '' && JSON.parse(fits.value.of).model === now.model;
  // Of another model the old figures would be wrong ones.
  fits.value = sameModel ? { ...fits.value, of } : { of, now: null, fault: '', others: {} };
  const ask = (settings: RunConfig) => callWorker((api) => api.fit({ config: settings }));
  const current = () => fits.value.of === of;
  try {
    const fit = await ask(now);
    if (!current()) return;
    fits.value = { of, now: fit, fault: '', others: { [now.precision]: fit } };
    for (const precision of PRECISIONS) {
      if (precision === now.precision) continue;
      const other = await ask({ ...now, precision });
      if (!current()) return;
      fits.value = { ...fits.value, others: { ...fits.value.others, [precision]: other } };
    }
  } catch (error) {
    const fault = error instanceof Error ? error.message : String(error);
    if (current()) fits.value = { of, now: null, fault, others: {} };
  }
}

/** Sets what a suggestion names; what must be redone then is told as for every change. */
export function applySuggestion({ changes }: Suggestion): void {
  edit(changes.reduce((next, { key, value }) => setKey(next, key, String(value)), config.value));
}
