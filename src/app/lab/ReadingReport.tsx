import { lab } from './signals.ts';

/** Where results will be, before there are any or before they were read. */
export function ReadingReport() {
  const begun = Object.keys(lab.value.manifest?.pieces ?? {}).length > 0;
  return (
    <p class="empty">
      {begun ? 'Reading the results.' : 'Nothing is computed yet; the arms have to be started first.'}
    </p>
  );
}
