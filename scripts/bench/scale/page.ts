/** The page behind the curves of `npm run bench -- --only scale`: sampling and a DPO step of one model, on WASM. */
import type { Group, LanguageModel } from '../../../src/engine/types.ts';
import { dpoLoss } from '../../../src/model/loss.ts';
import { TARGETS } from '../../../src/model/parameters.ts';
import { stream } from '../../../src/model/random.ts';
import { parseConfig } from '../../../src/pipeline/config.ts';
import { memoryOf } from '../../../src/pipeline/fit.ts';
import { urlFolder } from '../../../src/service/url-folder.ts';
import { shapedModel } from '../../lib/shaped-model.ts';
import { heap } from '../heap.ts';
import { seconds } from '../measure.ts';
import type { Measured, Point } from './plan.ts';

declare global {
  interface Window {
    scaleBench: (point: Point) => Promise<Measured>;
  }
}

const LORA = { rank: 8, alpha: 16, targets: TARGETS };
const OPTIMISER = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, maxGradNorm: 1 };
const REPEATS = 3;

async function measure(point: Point): Promise<Measured> {
  const { openDevice } = await import('../../../src/engine/backend.ts');
  const { loadLanguageModel } = await import('../../../src/engine/language-model.ts');
  const { name, change } = point.shape;
  const embedded = urlFolder(new URL('/models/default-lm/', location.href).href, 'default-lm');
  const source = shapedModel(name, embedded.read, change);
  const model = await loadLanguageModel(await openDevice({ backend: 'wasm', wasmPath: '/ort/' }), source);
  const { promptTokens, answerTokens, samples, negatives, groups } = point;
  // What the settings of such a run would choose.
  const config = parseConfig({
    lora: { targets: [...TARGETS] },
    sample: { n: samples, maxTokens: answerTokens },
    dpo: { negatives, batch: groups },
    sft: { batch: groups },
  });
  const lengths = { promptTokens, targetTokens: answerTokens };
  const memory = memoryOf(model.config, config, lengths, 'f32', 'wasm');
  const random = stream(1, 'scale bench');
  const ids = (n: number) => Array.from({ length: n }, () => Math.floor(random() * model.info.vocabSize));

  const sampler = await model.createSampler(LORA, null, memory);
  const settings = { temperature: 1, topP: 1, topK: 0, maxTokens: answerTokens, stopIds: [] };
  const request = { promptIds: ids(promptTokens), n: samples, seed: 1 };
  const sampleSeconds = await seconds(() => sampler.sample([request], settings, () => {}), REPEATS);
  await sampler.dispose();

  const trainer = await model.createTrainer(LORA, OPTIMISER, 1, memory);
  const batch: Group[] = Array.from({ length: groups }, () => ({
    promptIds: ids(promptTokens),
    responseIds: Array.from({ length: 1 + negatives }, () => ids(answerTokens)),
  }));
  const references = (await trainer.logps(batch)).map((g) => g.map((r) => r.reduce((a, b) => a + b, 0)));
  const loss = { kind: 'sigmoid', beta: 0.1, ftx: 0, groups } as const;
  let stepTokens = 0;
  const stepSeconds = await seconds(async () => {
    const step = await trainer.step(
      batch,
      (i, logps) => dpoLoss(logps, references[i] ?? [], answerTokens, loss),
      1e-6,
    );
    stepTokens = step.tokens;
  }, REPEATS);
  await trainer.dispose();
  return {
    parameters: model.info.parameterCount,
    sampleSeconds,
    stepSeconds,
    stepTokens,
    operationsAToken: operationsAToken(model, promptTokens + answerTokens / 2),
    heap: heap(),
  };
}

/** A product with every weight, and two of every head with all that it looks back on. */
function operationsAToken({ info, config: c }: LanguageModel, behind: number): number {
  return 2 * info.parameterCount + 4 * c.layers * c.heads * c.headDim * behind;
}

window.scaleBench = measure;
