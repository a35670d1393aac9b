/** Stage: sample n answers a prompt from the SFT model. */
import type { AdapterWeights, Sample } from '../engine/types.ts';
import { seedOf } from '../model/random.ts';
import { type Context, ProgressMeter } from './context.ts';
import { stripLeading } from './filter.ts';
import { Comparing, SLICE } from './similarity.ts';
import { responseSlices } from './slices.ts';
import type { PreparedData, ResponseRecord, RunStore } from './types.ts';

/** Text of a response as it is compared and embedded: leading spaces stripped (METHOD step 2). */
export function responseRecord(sample: Sample, decode: (ids: readonly number[]) => string): ResponseRecord {
  return {
    text: stripLeading(decode(sample.tokenIds)),
    tokenIds: sample.tokenIds,
    logp: sample.logps.reduce((a, b) => a + b, 0),
    stopped: sample.stopped,
  };
}

export async function runSample(
  context: Context,
  data: PreparedData,
  adapter: AdapterWeights,
): Promise<Record<string, number>> {
  const { model, config, store, emit, signal } = context;
  const { n, temperature, topP, topK, maxTokens } = config.sample;
  const done = await store.sampled();
  const total = data.train.length * n;
  const meter = new ProgressMeter(context, 'sample', 'responses', total, done.length * n);
  let finished = done.length * n;
  let tokens = 0;
  const comparing = context.overlap ? new Comparing(context, data) : null;
  await comparing?.begin();
  const figures = () => ({
    tokensPerSecond: tokens / meter.seconds,
    ...(comparing && { compared: comparing.compared }),
  });
  const sampler = await model.createSampler(config.lora, adapter, context.memory);
  try {
    await sampler.sample(
      data.train.map(({ promptIds }, i) => ({ promptIds, n, seed: seedOf(config.seed, 'sample', i) })),
      { temperature, topP, topK, maxTokens, stopIds: model.tokenizer.stopIds },
      async (index, samples) => {
        const record = {
          index,
          responses: samples.map((sample) => responseRecord(sample, model.tokenizer.decode)),
        };
        await store.saveResponses([record]);
        comparing?.add(index);
        finished += n;
        const row = data.train[index];
        if (row) emit({ type: 'responses', prompt: row.prompt, target: row.target, record });
        meter.update(finished, figures());
      },
      {
        signal,
        finished: new Set(done),
        onTokens: (count) => {
          tokens += count;
          meter.update(finished, figures());
        },
      },
    );
  } finally {
    await sampler.dispose();
    await comparing?.end();
  }
  return {
    ...(await figuresOf(store)),
    tokensPerSecond: meter.seconds > 0 ? tokens / meter.seconds : 0,
  };
}

/** Of all that is sampled, earlier sittings included. */
async function figuresOf(store: RunStore): Promise<Record<string, number>> {
  const sums = { prompts: 0, responses: 0, tokens: 0, empty: 0, cutOff: 0 };
  let distinct = 0;
  for await (const slice of responseSlices(store, SLICE)) {
    for (const { responses } of slice) {
      sums.prompts++;
      distinct += new Set(responses.map(({ text }) => text)).size;
      for (const { text, tokenIds, stopped } of responses) {
        sums.responses++;
        sums.tokens += tokenIds.length;
        if (text === '') sums.empty++;
        if (!stopped) sums.cutOff++;
      }
    }
  }
  return {
    ...sums,
    meanTokens: sums.tokens / Math.max(1, sums.responses),
    meanDistinct: distinct / Math.max(1, sums.prompts),
  };
}
