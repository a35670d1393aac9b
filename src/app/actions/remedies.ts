/** What a stopped run offers to do about it, at one press. */
import { batch } from '@preact/signals';
import type { RunConfig } from '../../pipeline/config.ts';
import { lowerRate } from '../../pipeline/diverged.ts';
import { host } from '../host.ts';
import { withRun } from '../locks.ts';
import { problemOf } from '../problems.ts';
import { config } from '../settings.ts';
import { busy, edits, problem, view } from '../signals.ts';
import type { TrainStage } from '../state.ts';
import { edit } from './edits.ts';
import { forceBackend } from './preferences.ts';
import { start } from './run.ts';

/** Computes on the processor from now on, and goes on. */
export async function resumeOnWasm(): Promise<void> {
  if (busy.value) return;
  forceBackend('wasm');
  await start();
}

const withLowerRate = (config: RunConfig, stage: TrainStage): RunConfig => ({
  ...config,
  [stage]: { ...config[stage], learningRate: lowerRate(config[stage].learningRate) },
});

/** Lowers the learning rate and does the stage again from its beginning. */
export async function redoLower(stage: TrainStage): Promise<void> {
  if (busy.value) return;
  edit(withLowerRate(config.value, stage));
  await start();
}

/**
 * Lowers the learning rate and goes on from the stored step. As an edit of the settings it would have the stage done
 * again from its beginning; here what it did before it diverged is kept.
 */
export async function resumeLower(stage: TrainStage): Promise<void> {
  const id = view.value.manifest?.id;
  if (busy.value || id === undefined) return;
  try {
    await withRun(id, async () => {
      const store = await host.runStore(id);
      const stored = await store.manifest();
      const manifest = { ...stored, config: withLowerRate(stored.config, stage) };
      await store.saveManifest(manifest);
      batch(() => {
        view.value = { ...view.value, manifest };
        if (edits.value !== null) edits.value = withLowerRate(edits.value, stage);
      });
    });
  } catch (error) {
    problem.value = problemOf('The learning rate could not be changed', error, 'Nothing was changed.');
    return;
  }
  await start();
}
