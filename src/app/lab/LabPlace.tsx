/** The lab is loaded when it is first looked at, so that the first page does not wait for it. */
import { signal } from '@preact/signals';
import type { FunctionComponent } from 'preact';
import { useEffect } from 'preact/hooks';
import { problemOf } from '../problems.ts';
import { problem } from '../signals.ts';

const loaded = signal<FunctionComponent | null>(null);

export function LabPlace() {
  useEffect(() => {
    if (loaded.value !== null) return;
    import('./LabPage.tsx').then(
      ({ LabPage }) => {
        // A component is a function, too: a signal takes it as it is.
        loaded.value = LabPage;
      },
      (error: unknown) => {
        problem.value = problemOf('The lab could not be loaded', error, 'Reload the page to try again.');
      },
    );
  }, []);
  const Page = loaded.value;
  return Page === null ? <p class="page muted">Opening the lab.</p> : <Page />;
}
