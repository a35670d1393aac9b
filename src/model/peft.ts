/** LoRA adapters in PEFT's folder layout: adapter_config.json and adapter_model.safetensors, both ways. */
import * as v from 'valibot';
import { type NamedArray, readSafetensors, SafetensorsError, writeSafetensors } from './safetensors.ts';

export interface PeftAdapter {
  readonly baseModel: string;
  readonly rank: number;
  readonly alpha: number;
  /** Module names, e.g. q_proj. */
  readonly targets: readonly string[];
  /** In PEFT's names and shapes: lora_A [rank, in], lora_B [out, rank]. */
  readonly tensors: readonly NamedArray[];
}

/** An adapter that can't be used: which file, and why. */
export class PeftError extends Error {
  override name = 'PeftError';
}

export const ADAPTER_CONFIG = 'adapter_config.json';
export const ADAPTER_MODEL = 'adapter_model.safetensors';

const NAME = /^base_model\.model\.(model\.layers\.\d+\.(?:self_attn|mlp)\.(\w+))\.lora_([AB])\.weight$/;

const whole = v.pipe(v.number(), v.integer(), v.minValue(1));
/** Left out, null, false, empty: PEFT's many ways to say that something is not used. */
const unused = v.optional(
  v.pipe(
    v.unknown(),
    v.check(
      (x) => x === null || x === false || x === 0 || (typeof x === 'object' && Object.keys(x).length === 0),
    ),
  ),
);

/** What is read of PEFT's LoraConfig; everything that would change the adapter's arithmetic must be off. */
const schema = v.object({
  peft_type: v.literal('LORA'),
  task_type: v.optional(v.nullable(v.literal('CAUSAL_LM'))),
  r: whole,
  lora_alpha: v.pipe(v.number(), v.gtValue(0)),
  target_modules: v.pipe(v.array(v.string()), v.minLength(1)),
  base_model_name_or_path: v.optional(v.nullable(v.string())),
  bias: v.optional(v.literal('none')),
  use_rslora: unused,
  use_dora: unused,
  lora_bias: unused,
  fan_in_fan_out: unused,
  modules_to_save: unused,
  rank_pattern: unused,
  alpha_pattern: unused,
  layers_to_transform: unused,
});

/** The two files of an adapter. */
export function writePeft(adapter: PeftAdapter): { config: string; model: Uint8Array } {
  const config = {
    alpha_pattern: {},
    auto_mapping: null,
    base_model_name_or_path: adapter.baseModel,
    bias: 'none',
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    layers_pattern: null,
    layers_to_transform: null,
    lora_alpha: adapter.alpha,
    lora_dropout: 0,
    modules_to_save: null,
    peft_type: 'LORA',
    r: adapter.rank,
    rank_pattern: {},
    revision: null,
    target_modules: adapter.targets,
    task_type: 'CAUSAL_LM',
    use_dora: false,
    use_rslora: false,
  };
  return {
    config: `${JSON.stringify(config, null, 2)}\n`,
    model: writeSafetensors(adapter.tensors, { format: 'pt' }),
  };
}

/**
 * Reads an adapter back.
 *
 * @param config text of adapter_config.json
 * @param model bytes of adapter_model.safetensors
 * @throws PeftError where a file is broken, the two disagree, or the adapter is of a kind that is not supported
 */
export function readPeft(config: string, model: Uint8Array): PeftAdapter {
  const settings = readConfig(config);
  let tensors: NamedArray[];
  try {
    tensors = readSafetensors(model);
  } catch (error) {
    if (!(error instanceof SafetensorsError)) throw error;
    throw new PeftError(`${ADAPTER_MODEL}: ${error.message}`, { cause: error });
  }
  if (tensors.length === 0) throw new PeftError(`${ADAPTER_MODEL}: it holds no tensors`);
  const names = new Set(tensors.map(({ name }) => name));
  for (const tensor of tensors) checkTensor(tensor, names, settings.r, settings.target_modules);
  const found = new Set(tensors.map(({ name }) => NAME.exec(name)?.[2]));
  const missing = settings.target_modules.find((target) => !found.has(target));
  if (missing !== undefined) {
    throw new PeftError(`${ADAPTER_MODEL}: no tensor of ${missing}, which ${ADAPTER_CONFIG} lists`);
  }
  return {
    baseModel: settings.base_model_name_or_path ?? '',
    rank: settings.r,
    alpha: settings.lora_alpha,
    targets: settings.target_modules,
    tensors,
  };
}

function readConfig(text: string): v.InferOutput<typeof schema> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new PeftError(`${ADAPTER_CONFIG} is not JSON`, { cause: error });
  }
  const parsed = v.safeParse(schema, value);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  const key = v.getDotPath(issue) ?? 'it';
  const found = JSON.stringify(issue.input) ?? 'nothing';
  const expected = issue.expected === null ? '' : `; expected ${issue.expected}`;
  throw new PeftError(`${ADAPTER_CONFIG}: ${key} is ${found}, which is not supported${expected}`);
}

function checkTensor(
  { name, shape }: NamedArray,
  names: ReadonlySet<string>,
  rank: number,
  targets: readonly string[],
): void {
  const [, path, target = '', side] = NAME.exec(name) ?? [];
  if (path === undefined) throw new PeftError(`${ADAPTER_MODEL}: "${name}" is not a LoRA tensor of a layer`);
  if (!targets.includes(target)) {
    throw new PeftError(`${ADAPTER_MODEL}: "${name}", but ${ADAPTER_CONFIG} does not list ${target}`);
  }
  const inner = side === 'A' ? shape[0] : shape[1];
  if (shape.length !== 2 || inner !== rank) {
    const wanted = side === 'A' ? `[${rank}, in]` : `[out, ${rank}]`;
    throw new PeftError(`${ADAPTER_MODEL}: "${name}" has shape [${shape.join(', ')}], expected ${wanted}`);
  }
  const other = `base_model.model.${path}.lora_${side === 'A' ? 'B' : 'A'}.weight`;
  if (!names.has(other)) throw new PeftError(`${ADAPTER_MODEL}: "${name}" has no counterpart "${other}"`);
}
