/** What a reward model's config.json says of it: a classifier of sequences with one label or two. */
import * as v from 'valibot';
import { excerpt, InputError } from './text.ts';

const label = v.union([v.string(), v.number()]);
const count = v.nullish(v.pipe(v.number(), v.safeInteger(), v.minValue(0)));
const schema = v.object({
  model_type: v.fallback(v.optional(v.string()), undefined),
  architectures: v.fallback(v.nullish(v.array(v.string())), null),
  id2label: v.fallback(v.nullish(v.record(v.string(), label)), null),
  pad_token_id: v.fallback(count, null),
  type_vocab_size: v.fallback(count, null),
  max_position_embeddings: v.fallback(count, null),
  n_positions: v.fallback(count, null),
});

export interface RewardConfig {
  readonly modelType: string;
  /** Names of the labels in order; empty where the config has none. */
  readonly labels: readonly string[];
  /** Null where the model has none: then it can't tell padding from text. */
  readonly padId: number | null;
  /** Whether it tells the first text from the second. */
  readonly hasTypes: boolean;
  /** Tokens that it has positions for; null where it does not say. */
  readonly positions: number | null;
}

const HEAD = 'ForSequenceClassification';

/** Families whose first positions, up to the padding token's id, hold no token. */
const OFFSET = new Set(['roberta', 'xlm-roberta', 'xlm-roberta-xl', 'camembert', 'mpnet', 'longformer']);

/** Whether config.json is that of a classifier of sequences: what can be a reward model. */
export function isClassifier(config: unknown): boolean {
  const parsed = v.safeParse(schema, config);
  return parsed.success && (parsed.output.architectures ?? []).some((name) => name.endsWith(HEAD));
}

/**
 * @param name of the model, for errors
 * @param config config.json, parsed
 * @throws InputError where it is another kind of model
 */
export function readRewardConfig(name: string, config: unknown): RewardConfig {
  const parsed = v.safeParse(schema, config);
  if (!parsed.success) throw new InputError(`${name}: config.json is not a JSON object`);
  const { architectures, id2label, model_type, pad_token_id, type_vocab_size, ...sizes } = parsed.output;
  const [architecture] = architectures ?? [];
  if (architecture !== undefined && !isClassifier(config)) {
    throw new InputError(
      `${name}: config.json says ${excerpt(architecture, 80)}, which gives no scores. A reward model is a classifier (...${HEAD}) with one label, or two.`,
    );
  }
  const labels = Object.entries(id2label ?? {})
    .sort(([a], [b]) => Number(a) - Number(b))
    .map(([, text]) => String(text));
  const padId = pad_token_id ?? null;
  const positions = sizes.max_position_embeddings ?? sizes.n_positions ?? 0;
  const room = OFFSET.has(model_type ?? '') ? positions - (padId ?? 1) - 1 : positions;
  return {
    modelType: model_type ?? '',
    labels,
    padId,
    hasTypes: (type_vocab_size ?? 0) >= 2,
    positions: room > 0 ? room : null,
  };
}

/**
 * What a row of logits says an answer is worth: of one label its logit; of two that of the good one less that of the
 * other, the good one being the one called positive, else the second. Higher is better.
 *
 * @throws InputError where there are more labels than two
 */
export function scorer(
  name: string,
  labels: readonly string[],
  count: number,
): (logits: ArrayLike<number>) => number {
  if (count === 1) return (logits) => logits[0] ?? Number.NaN;
  if (count !== 2) {
    const named = labels.length === count ? ` (${excerpt(labels.join(', '), 120)})` : '';
    throw new InputError(
      `${name} has ${count} labels${named}; which of them is better is not known. A reward model has one label, or two.`,
    );
  }
  const positive = labels.findIndex((text) => /^pos(itive)?$/i.test(text.trim()));
  const good = positive === 0 ? 0 : 1;
  return (logits) => (logits[good] ?? Number.NaN) - (logits[1 - good] ?? Number.NaN);
}
