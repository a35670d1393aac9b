/** The page behind `npm run bench -- --only memory`: one training step and one batch of samples on WASM. */
import { TARGETS } from '../../../src/model/parameters.ts';
import { parseConfig } from '../../../src/pipeline/config.ts';
import { memoryOf, tradesOf, workloadOf } from '../../../src/pipeline/fit.ts';
import { heap } from '../heap.ts';
import type { MemoryFigures, MemoryPlan } from './plan.ts';

declare global {
  interface Window {
    memoryBench: (plan: MemoryPlan) => Promise<MemoryFigures>;
  }
}

async function measure(plan: MemoryPlan): Promise<MemoryFigures> {
  const { openDevice } = await import('../../../src/engine/backend.ts');
  const { loadLanguageModel } = await import('../../../src/engine/language-model.ts');
  const { estimate } = await import('../../../src/model/fit.ts');
  const { urlFolder } = await import('../../../src/service/url-folder.ts');
  const { shapedModel } = await import('../../lib/shaped-model.ts');
  const { precision, promptTokens, negatives, answerTokens, samples } = plan;
  const embedded = urlFolder(new URL('/models/default-lm/', location.href).href, 'default-lm');
  const source = plan.model === 'embedded' ? embedded : shapedModel(plan.model, embedded.read);
  const config = parseConfig({
    precision,
    lora: { targets: [...TARGETS] },
    sample: { n: Math.max(1, samples), maxTokens: answerTokens },
    dpo: { negatives, batch: 1 },
    sft: { batch: 1 },
  });
  const lengths = { promptTokens, targetTokens: answerTokens };
  const device = await openDevice({ backend: 'wasm', wasmPath: '/ort/' });
  const model = await loadLanguageModel(device, source, { precision });
  const memory = memoryOf(model.config, config, lengths, precision, 'wasm');
  const need = estimate(model.config, workloadOf(config, lengths), memory, precision, 'wasm');

  const optimiser = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, maxGradNorm: 1 };
  const ids = (count: number, first: number) =>
    Array.from({ length: count }, (_, i) => (first + 37 * i) % model.config.vocabSize);
  const group = {
    promptIds: ids(promptTokens, 5),
    responseIds: Array.from({ length: 1 + negatives }, (_, r) => ids(answerTokens, 11 * r)),
  };
  const trainer = await model.createTrainer(config.lora, optimiser, 1, memory);
  const start = performance.now();
  await trainer.step(
    [group],
    (_, logps) => ({ loss: 0, coefficients: logps.map((_x, i) => (i === 0 ? -1e-3 : 1e-4)), metrics: {} }),
    1e-4,
  );
  const stepSeconds = (performance.now() - start) / 1000;
  const heapTrained = heap();
  if (samples > 0) {
    // As previews are: with the trainer still there.
    const sampler = await model.createSampler(config.lora, await trainer.weights(), memory);
    const requests = Array.from({ length: Math.floor(memory.sampleRows / samples) }, (_, seed) => ({
      promptIds: group.promptIds,
      n: samples,
      seed,
    }));
    const rule = { temperature: 1, topP: 1, topK: 0, maxTokens: answerTokens, stopIds: [] };
    await sampler.sample(requests, rule, () => {});
  }
  const trades = tradesOf(model.config, config, lengths, 'wasm', memory);
  return { memory, need, trades, heapTrained, heapSampled: heap(), stepSeconds };
}

window.memoryBench = measure;
