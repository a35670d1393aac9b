/** A run's responses a few prompts at a time: those of ten thousand prompts at once take hundreds of megabytes. */
import type { PromptResponses, RunStore } from './types.ts';

/** All stored responses by prompt index, those of `prompts` prompts at a time. */
export async function* responseSlices(
  store: Pick<RunStore, 'responses' | 'sampled'>,
  prompts: number,
): AsyncGenerator<PromptResponses[]> {
  const indices = await store.sampled();
  for (let at = 0; at < indices.length; at += prompts) {
    const slice = indices.slice(at, at + prompts);
    yield await store.responses(slice[0], (slice.at(-1) ?? 0) + 1);
  }
}

/** The responses of these prompts, in the order asked for; of those that have any. */
export async function responsesOf(
  store: Pick<RunStore, 'responses'>,
  indices: readonly number[],
): Promise<PromptResponses[]> {
  return (await Promise.all(indices.map((index) => store.responses(index, index + 1)))).flat();
}
