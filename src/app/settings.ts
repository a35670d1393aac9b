/** The settings as signals: what is stored, what is edited, what a change would redo. */
import { computed } from '@preact/signals';
import { DEFAULT_CONFIG } from '../pipeline/config.ts';
import { STAGES, type Stage } from '../pipeline/types.ts';
import { redoFrom } from './fields.ts';
import { edits, records, view } from './signals.ts';
import { stageStarted } from './state.ts';

/** The settings of the shown run as stored; the defaults where there is no run yet. */
export const savedConfig = computed(() => view.value.manifest?.config ?? DEFAULT_CONFIG);

/** The settings as the page shows them. */
export const config = computed(() => edits.value ?? savedConfig.value);

/** Answers marked as right by hand are still among the negatives that were drawn: the filter must run again. */
export const marksUnused = computed(() =>
  records.value.pairs.some(
    ({ index, response }) => view.value.responses[index]?.responses[response]?.excluded === true,
  ),
);

/** The first stage that the edits ask to be redone, if anything of it or after it exists. */
export const staleFrom = computed((): Stage | null => {
  const changed = edits.value === null ? null : redoFrom(savedConfig.value, edits.value);
  const from = STAGES.find((stage) => stage === changed || (stage === 'filter' && marksUnused.value)) ?? null;
  if (from === null) return null;
  const touched = STAGES.slice(STAGES.indexOf(from));
  return touched.some((stage) => stageStarted(view.value, stage)) ? from : null;
});
