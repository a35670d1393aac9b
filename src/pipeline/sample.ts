/** Stage: sample n answers a prompt from the SFT model. */
import type { AdapterWeights, Sample } from '../engine/types.ts';
import { seedOf } from '../model/random.ts';
import { type Context, ProgressMeter } from './context.ts';
import { stripLeading } from './filter.ts';
import { Comparing } from './similarity.ts';
import type { PreparedData, PromptResponses, ResponseRecord } from './types.ts';

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
  const done = await store.responses();
  const finishedBefore = new Set(done.map((record) => record.index));
  const total = data.train.length * n;
  const meter = new ProgressMeter(context, 'sample', 'responses', total, done.length * n);
  let finished = done.length * n;
  let tokens = 0;
  const records: PromptResponses[] = [...done];
  const comparing = context.overlap ? new Comparing(context, data, done) : null;
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
        records.push(record);
        comparing?.add(record);
        finished += n;
        const row = data.train[index];
        if (row) emit({ type: 'responses', prompt: row.prompt, target: row.target, record });
        meter.update(finished, figures());
      },
      {
        signal,
        finished: finishedBefore,
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
  records.sort((a, b) => a.index - b.index);
  const all = records.flatMap((record) => record.responses);
  const distinct = records.map((record) => new Set(record.responses.map((r) => r.text)).size);
  const count = Math.max(1, all.length);
  const allTokens = all.reduce((sum, r) => sum + r.tokenIds.length, 0);
  return {
    prompts: records.length,
    responses: all.length,
    tokens: allTokens,
    tokensPerSecond: meter.seconds > 0 ? tokens / meter.seconds : 0,
    meanTokens: allTokens / count,
    empty: all.filter((r) => r.text === '').length,
    cutOff: all.filter((r) => !r.stopped).length,
    meanDistinct: distinct.reduce((a, b) => a + b, 0) / Math.max(1, distinct.length),
  };
}
