/** config.json of a Llama-architecture model: what this project can run, checked field by field. */
import * as v from 'valibot';
import { InputError } from './text.ts';

export interface ModelConfig {
  readonly architecture: string;
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly contextLength: number;
  readonly ropeTheta: number;
  readonly rmsNormEps: number;
  readonly tiedEmbeddings: boolean;
}

/** The same model with its first layers only. */
export const truncatedConfig = (c: ModelConfig, layers: number): ModelConfig => ({ ...c, layers });

/** A model folder that can't be used: which file and field, and what would be accepted. */
export class ModelError extends InputError {
  override name = 'ModelError';
}

export const SUPPORTED_ARCHITECTURES = ['LlamaForCausalLM'] as const;

const size = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(10_000_000));
const optional = <T extends v.GenericSchema>(schema: T) => v.optional(v.nullable(schema));

const schema = v.object({
  architectures: v.pipe(v.array(v.string()), v.minLength(1)),
  vocab_size: size,
  hidden_size: size,
  intermediate_size: size,
  num_hidden_layers: size,
  num_attention_heads: size,
  num_key_value_heads: optional(size),
  head_dim: optional(size),
  max_position_embeddings: size,
  hidden_act: optional(v.string()),
  rms_norm_eps: optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1))),
  rope_theta: optional(v.pipe(v.number(), v.minValue(1))),
  rope_scaling: optional(v.unknown()),
  // Newer files have both in one place.
  rope_parameters: optional(
    v.object({ rope_theta: optional(v.pipe(v.number(), v.minValue(1))), rope_type: optional(v.string()) }),
  ),
  attention_bias: optional(v.boolean()),
  mlp_bias: optional(v.boolean()),
  tie_word_embeddings: optional(v.boolean()),
});

/**
 * @param value parsed config.json
 * @throws ModelError naming the field that stopped it
 */
export function parseModelConfig(value: unknown): ModelConfig {
  const names = v.safeParse(v.object({ architectures: v.array(v.string()) }), value);
  const architecture = names.success ? names.output.architectures[0] : undefined;
  if (architecture !== undefined && !SUPPORTED_ARCHITECTURES.some((a) => a === architecture)) {
    throw new ModelError(
      `config.json: the architecture ${architecture} is not supported. Supported: ${SUPPORTED_ARCHITECTURES.join(', ')}.`,
    );
  }
  const parsed = v.safeParse(schema, value);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw new ModelError(`config.json: ${v.getDotPath(issue) ?? 'the file'}: ${issue.message}`);
  }
  const c = parsed.output;
  const heads = c.num_attention_heads;
  const kvHeads = c.num_key_value_heads ?? heads;
  const headDim = c.head_dim ?? c.hidden_size / heads;
  const refuse = (field: string, why: string): never => {
    throw new ModelError(`config.json: ${field}: ${why}`);
  };
  if (heads % kvHeads !== 0)
    refuse('num_key_value_heads', `${kvHeads} does not divide num_attention_heads ${heads}`);
  if (!Number.isInteger(headDim) || headDim % 2 !== 0) {
    refuse('head_dim', `${headDim} is not an even whole number, as rotary positions need`);
  }
  if (c.hidden_act && c.hidden_act !== 'silu')
    refuse('hidden_act', `"${c.hidden_act}" is not supported, only "silu"`);
  if (c.rope_scaling !== null && c.rope_scaling !== undefined)
    refuse('rope_scaling', 'scaled rotary positions are not supported');
  const ropeType = c.rope_parameters?.rope_type ?? 'default';
  if (ropeType !== 'default')
    refuse('rope_parameters.rope_type', `"${ropeType}": scaled rotary positions are not supported`);
  if (c.attention_bias) refuse('attention_bias', 'biases are not supported');
  if (c.mlp_bias) refuse('mlp_bias', 'biases are not supported');
  return {
    architecture: c.architectures[0] ?? '',
    vocabSize: c.vocab_size,
    hiddenSize: c.hidden_size,
    intermediateSize: c.intermediate_size,
    layers: c.num_hidden_layers,
    heads,
    kvHeads,
    headDim,
    contextLength: c.max_position_embeddings,
    ropeTheta: c.rope_theta ?? c.rope_parameters?.rope_theta ?? 10_000,
    rmsNormEps: c.rms_norm_eps ?? 1e-6,
    tiedEmbeddings: c.tie_word_embeddings ?? false,
  };
}
