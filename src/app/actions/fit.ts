/** Whether the shown settings fit this device, and settings that do. */
import { PRECISIONS } from '../../model/precision.ts';
import { type RunConfig, setKey } from '../../pipeline/config.ts';
import type { Suggestion } from '../../pipeline/fit.ts';
import { callWorker } from '../client.ts';
import { fits } from '../models/state.ts';
import { config } from '../settings.ts';
import { busy, records, view } from '../signals.ts';
import { edit } from './edits.ts';

/** Works out what the settings need. While a run is at work its worker has no time for it. */
export async function measureFit(): Promise<void> {
  const now = config.value;
  const run = view.value.manifest?.id;
  const of = JSON.stringify({ ...now, run, prepared: records.value.prepared !== null });
  if (busy.value || fits.value.of === of) return;
  const sameModel = fits.value.of !== '' && JSON.parse(fits.value.of).model === now.model;
  // Of another model the old figures would be wrong ones.
  fits.value = sameModel ? { ...fits.value, of } : { of, now: null, fault: '', others: {} };
  const ask = (settings: RunConfig) => callWorker((api) => api.fit({ config: settings, run }));
  try {
    const rest = PRECISIONS.filter((precision) => precision !== now.precision);
    for (const precision of [now.precision, ...rest]) {
      const fit = await ask({ ...now, precision });
      if (fits.value.of !== of) return;
      const others = { ...fits.value.others, [precision]: fit };
      fits.value = { of, now: precision === now.precision ? fit : fits.value.now, fault: '', others };
      if (busy.value) {
        // The run that has started must not wait for the other precisions; they are looked at after it.
        fits.value = { ...fits.value, of: '' };
        return;
      }
    }
  } catch (error) {
    const fault = error instanceof Error ? error.message : String(error);
    if (fits.value.of === of) fits.value = { of, now: null, fault, others: {} };
  }
}

/** Sets what a suggestion names; what must be redone then is told as for every change. */
export function applySuggestion({ changes }: Suggestion): void {
  edit(changes.reduce((next, { key, value }) => setKey(next, key, String(value)), config.value));
}
