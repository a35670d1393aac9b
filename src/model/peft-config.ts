/** adapter_config.json: what of PEFT's LoraConfig can be represented, and what each module is scaled with. */
import * as v from 'valibot';
import { TARGETS } from './parameters.ts';
import { InputError } from './text.ts';

/** adapter_config.json can't be used; the message names the field. */
export class AdapterConfigError extends InputError {
  override name = 'AdapterConfigError';
}

export interface AdapterConfig {
  readonly baseModel: string;
  /** Ends of the module paths that must have tensors, e.g. "q_proj"; empty where a pattern names them. */
  readonly targets: readonly string[];
  /** Whether the config lets a module be there; `path` is e.g. "layers.0.self_attn.q_proj". */
  allows(path: string, layer: number): boolean;
  rank(path: string): number;
  /** alpha / rank, or alpha / sqrt(rank) with rank stabilisation. */
  scale(path: string): number;
}

const whole = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_536));
const alpha = v.pipe(v.number(), v.finite(), v.gtValue(0));
const maybe = <T extends v.GenericSchema>(schema: T) => v.optional(v.nullable(schema));

/** Left out, null, false, empty: PEFT's many ways to say that something is not used. */
const unused = v.optional(
  v.pipe(
    v.unknown(),
    v.check(
      (x) => x === null || x === false || x === 0 || (typeof x === 'object' && Object.keys(x).length === 0),
    ),
  ),
);

/** Ways of starting that leave the base weights alone; the others (PiSSA, OLoRA, ...) change them. */
const HARMLESS_STARTS = [true, false, null, 'gaussian', 'eva', 'orthogonal'];

const schema = v.object({
  peft_type: v.literal('LORA'),
  task_type: maybe(v.literal('CAUSAL_LM')),
  r: whole,
  lora_alpha: alpha,
  target_modules: v.union([v.pipe(v.array(v.string()), v.minLength(1)), v.pipe(v.string(), v.nonEmpty())]),
  base_model_name_or_path: maybe(v.string()),
  bias: maybe(v.literal('none')),
  use_rslora: maybe(v.boolean()),
  rank_pattern: maybe(v.record(v.string(), whole)),
  alpha_pattern: maybe(v.record(v.string(), alpha)),
  layers_to_transform: maybe(v.union([v.number(), v.array(v.number())])),
  init_lora_weights: v.optional(
    v.pipe(
      v.unknown(),
      v.check((x) => HARMLESS_STARTS.some((harmless) => harmless === x)),
    ),
  ),
  use_dora: unused,
  use_qalora: unused,
  use_bdlora: unused,
  lora_bias: unused,
  fan_in_fan_out: unused,
  modules_to_save: unused,
  trainable_token_indices: unused,
  target_parameters: unused,
  layer_replication: unused,
  alora_invocation_tokens: unused,
});

/**
 * @throws SyntaxError for text that is no JSON
 * @throws AdapterConfigError naming the field that can't be represented
 */
export function readAdapterConfig(text: string): AdapterConfig {
  const c = parse(text);
  const listed = typeof c.target_modules === 'string' ? [] : c.target_modules;
  const foreign = listed.find((name) => !TARGETS.some((target) => name.split('.').at(-1) === target));
  if (foreign !== undefined) refuse('target_modules', foreign, `names of ${TARGETS.join(', ')}`);
  const layers =
    c.layers_to_transform === null || c.layers_to_transform === undefined
      ? null
      : [c.layers_to_transform].flat();
  const ranks = patterns('rank_pattern', c.rank_pattern);
  const alphas = patterns('alpha_pattern', c.alpha_pattern);
  const rank = (path: string) => ranks(path) ?? c.r;
  return {
    baseModel: c.base_model_name_or_path ?? '',
    targets: listed.map((name) => pathEnd(name)),
    allows: (path, layer) =>
      (listed.length === 0 || listed.some((name) => endsWith(path, pathEnd(name)))) &&
      (layers === null || layers.includes(layer)),
    rank,
    scale: (path) => (alphas(path) ?? c.lora_alpha) / (c.use_rslora ? Math.sqrt(rank(path)) : rank(path)),
  };
}

function parse(text: string): v.InferOutput<typeof schema> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new SyntaxError('is not JSON', { cause: error });
  }
  const parsed = v.safeParse(schema, value);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  return refuse(v.getDotPath(issue) ?? 'the file', issue.input, issue.expected ?? '');
}

function refuse(field: string, found: unknown, expected: string): never {
  const shown = JSON.stringify(found) ?? 'nothing';
  const tail = expected === '' ? '' : `; expected ${expected}`;
  throw new AdapterConfigError(`${field} is ${shown}, which is not supported${tail}`);
}

/** "model.layers.0.self_attn.q_proj" and "self_attn.q_proj" from a model's own names, as paths here begin. */
const pathEnd = (name: string): string =>
  name.replace(/^(?:base_model\.model\.)?(?:model\.)?(?=layers\.)/, '');

const endsWith = (path: string, end: string): boolean => path === end || path.endsWith(`.${end}`);

/**
 * The value of the first key that names a module. PEFT takes keys as regular expressions for the end of a path;
 * here they are plain paths, since a stranger's expression could run for ever.
 */
function patterns(
  field: string,
  table: Readonly<Record<string, number>> | null | undefined,
): (path: string) => number | undefined {
  const entries = Object.entries(table ?? {}).map(([key, value]) => {
    const plain = key.replace(/^\^/, '').replace(/\$$/, '').replaceAll('\\.', '.');
    if (!/^[\w.]+$/.test(plain)) {
      throw new AdapterConfigError(
        `${field}: the regular expression ${JSON.stringify(key)} is not supported`,
      );
    }
    return [pathEnd(plain), value] as const;
  });
  return (path) => entries.find(([end]) => endsWith(path, end))?.[1];
}
