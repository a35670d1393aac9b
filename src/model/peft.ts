/**
 * LoRA adapters in PEFT's folder layout: adapter_config.json and adapter_model.safetensors, both ways. Reads what
 * other tools write as well, as long as it means LoRA on the seven projections; the tensors decide which modules
 * there are, the config only what each is multiplied with.
 */
import { isTarget, type LoraModule } from './adapter.ts';
import type { LoraConfig } from './parameters.ts';
import { AdapterConfigError, readAdapterConfig } from './peft-config.ts';
import { type NamedArray, readSafetensors, SafetensorsError, writeSafetensors } from './safetensors.ts';
import { InputError } from './text.ts';

export interface PeftAdapter {
  /** What the adapter says it was trained on; '' where it does not say. */
  readonly baseModel: string;
  readonly modules: readonly LoraModule[];
}

/** An adapter that can't be used: which file, and why. */
export class PeftError extends InputError {
  override name = 'PeftError';
}

export const ADAPTER_CONFIG = 'adapter_config.json';
export const ADAPTER_MODEL = 'adapter_model.safetensors';

/** [layer, block, target, side]; wrappers' prefixes and the adapter's name come and go with how it was saved. */
const NAME =
  /^(?:module\.)?(?:base_model\.model\.)?(?:model\.)?layers\.(\d{1,6})\.(self_attn|mlp)\.(\w+)\.lora_([AB])(?:\.([\w-]+))?\.weight$/;

/** What tensors of kinds that can't be used are called, by a part of their names. */
const FOREIGN: readonly (readonly [RegExp, string])[] = [
  [/lora_magnitude_vector/, 'DoRA is not supported'],
  [/lora_embedding_[AB]|embed_tokens/, 'LoRA on embeddings is not supported'],
  [/lm_head/, 'LoRA on the head is not supported'],
  [/modules_to_save/, 'wholly trained modules (modules_to_save) are not supported'],
  [/\.bias$/, 'trained biases are not supported'],
];

const MLP: readonly string[] = ['gate_proj', 'up_proj', 'down_proj'];

/** The two files of an adapter of one rank; `tensors` in PEFT's names and shapes. */
export function writePeft({
  baseModel,
  lora: { rank, alpha, targets },
  tensors,
}: {
  readonly baseModel: string;
  readonly lora: LoraConfig;
  readonly tensors: readonly NamedArray[];
}): { config: string; model: Uint8Array } {
  const config = {
    alpha_pattern: {},
    auto_mapping: null,
    base_model_name_or_path: baseModel,
    bias: 'none',
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    layers_pattern: null,
    layers_to_transform: null,
    lora_alpha: alpha,
    lora_dropout: 0,
    modules_to_save: null,
    peft_type: 'LORA',
    r: rank,
    rank_pattern: {},
    revision: null,
    target_modules: targets,
    task_type: 'CAUSAL_LM',
    use_dora: false,
    use_rslora: false,
  };
  return {
    config: `${JSON.stringify(config, null, 2)}\n`,
    model: writeSafetensors(tensors, { format: 'pt' }),
  };
}

/**
 * Reads an adapter.
 *
 * @param config text of adapter_config.json
 * @param model bytes of adapter_model.safetensors (F32, F16 or BF16)
 * @throws PeftError where a file is broken, the two disagree, or the adapter is of a kind that is not supported
 */
export function readPeft(config: string, model: Uint8Array): PeftAdapter {
  const settings = explained(ADAPTER_CONFIG, () => readAdapterConfig(config));
  const tensors = explained(ADAPTER_MODEL, () => readSafetensors(model));
  if (tensors.length === 0) refuse('it holds no tensors');
  const pairs = new Map<string, { a?: NamedArray; b?: NamedArray }>();
  const names = new Set<string>();
  for (const tensor of tensors) {
    const { place, side, adapterName } = readName(tensor.name);
    names.add(adapterName);
    if (names.size > 1) refuse(`it holds several adapters (${[...names].join(', ')}); keep one`);
    const pair = pairs.get(place) ?? {};
    const key = side === 'A' ? 'a' : 'b';
    if (pair[key]) refuse(`"${tensor.name}" occurs twice, under different prefixes`);
    if (tensor.shape.length !== 2)
      refuse(`"${tensor.name}" has shape [${tensor.shape.join(', ')}], not two sizes`);
    if (tensor.data.some((x) => !Number.isFinite(x)))
      refuse(`"${tensor.name}" holds numbers that are not finite`);
    pairs.set(place, { ...pair, [key]: tensor });
  }
  const modules = [...pairs].map(([place, { a, b }]) => {
    if (!a || !b) return refuse(`"${(a ?? b)?.name}" has no counterpart lora_${a ? 'B' : 'A'}`);
    return readModule(place, a, b, settings);
  });
  for (const target of settings.targets) {
    if (!modules.some((m) => `layers.${m.layer}.${blockOf(m.target)}.${m.target}`.endsWith(target))) {
      refuse(`no tensor of ${target}, which ${ADAPTER_CONFIG} lists`);
    }
  }
  return { baseModel: settings.baseModel, modules };
}

const blockOf = (target: string): string => (MLP.includes(target) ? 'mlp' : 'self_attn');

function readName(name: string): { place: string; side: string; adapterName: string } {
  const foreign = FOREIGN.find(([pattern]) => pattern.test(name));
  if (foreign) refuse(`"${name}": ${foreign[1]}`);
  const [, layer, block, target = '', side = '', adapterName = 'default'] = NAME.exec(name) ?? [];
  if (layer === undefined || !isTarget(target) || blockOf(target) !== block) {
    return refuse(`"${name}" is not a LoRA tensor of one of a layer's seven projections`);
  }
  return { place: `layers.${Number(layer)}.${block}.${target}`, side, adapterName };
}

function readModule(
  place: string,
  a: NamedArray,
  b: NamedArray,
  settings: ReturnType<typeof readAdapterConfig>,
): LoraModule {
  const [, number = '', , target = ''] = place.split('.');
  if (!isTarget(target)) return refuse(`internal: ${place}`);
  const layer = Number(number);
  if (!settings.allows(place, layer)) {
    refuse(`"${a.name}", but ${ADAPTER_CONFIG} does not list ${target} of layer ${layer}`);
  }
  const [rank = 0, inner = 0] = a.shape;
  const [out = 0, width = 0] = b.shape;
  const wanted = settings.rank(place);
  if (rank !== wanted) refuse(`"${a.name}" has shape [${a.shape.join(', ')}], expected [${wanted}, in]`);
  if (width !== wanted) refuse(`"${b.name}" has shape [${b.shape.join(', ')}], expected [out, ${wanted}]`);
  return { layer, target, rank, scale: settings.scale(place), in: inner, out, a: a.data, b: b.data };
}

function refuse(problem: string): never {
  throw new PeftError(`${ADAPTER_MODEL}: ${problem}`);
}

/** Puts the file's name before what is wrong in it. */
function explained<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const known =
      error instanceof SafetensorsError ||
      error instanceof SyntaxError ||
      error instanceof AdapterConfigError;
    if (!known) throw error;
    throw new PeftError(`${file}${error instanceof SyntaxError ? ' ' : ': '}${error.message}`, {
      cause: error,
    });
  }
}
