/** Stage: fine-tune on prompt and target, loss on the target's tokens. */
import { sftLoss } from '../model/loss.ts';
import { type Context, optimiserOf } from './context.ts';
import { lossFigures, train } from './train.ts';
import type { PreparedData } from './types.ts';

export async function runSft(
  context: Context,
  data: PreparedData,
): Promise<Record<string, number | readonly number[]>> {
  const { model, config } = context;
  const trainer = await model.createTrainer(
    config.lora,
    optimiserOf(config.sft),
    config.seed,
    context.memory,
  );
  try {
    const parameters = await context.startAdapter?.();
    if (parameters) {
      const zeros = parameters.map((vector) => new Float32Array(vector.length));
      await trainer.restore({ step: 0, parameters, m: zeros, v: zeros });
    }
    const { steps, tokens, metrics, checkpointSeconds } = await train(context, trainer, {
      stage: 'sft',
      settings: config.sft,
      items: data.train.length,
      preview: data.heldOut.slice(0, 3),
      batch: (items) => {
        const rows = items.flatMap((i) => data.train[i] ?? []);
        const targetTokens = rows.reduce((sum, row) => sum + row.targetIds.length, 0);
        return {
          groups: rows.map(({ promptIds, targetIds }) => ({ promptIds, responseIds: [targetIds] })),
          loss: (_, [logp = 0]) => sftLoss(logp, targetTokens),
        };
      },
    });
    return { steps, tokens, prompts: data.train.length, checkpointSeconds, ...lossFigures(metrics) };
  } finally {
    await trainer.dispose();
  }
}
