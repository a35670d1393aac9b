/** Reads config.json field by field; whatever stops it is told with the field's name. */
import * as v from 'valibot';
import type { LayerKind, RopeConfig, RopeScaling } from './config.ts';
import { ModelError } from './model-error.ts';
import { excerpt } from './text.ts';

export const size = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(10_000_000));
const base = v.pipe(v.number(), v.minValue(1), v.maxValue(1e15));
const factor = v.pipe(v.number(), v.minValue(1), v.maxValue(1e6));

/** Characters of a refused value that are shown. */
const SHOWN = 60;

const shown = (value: unknown): string => excerpt(JSON.stringify(value) ?? String(value), SHOWN);

export class Fields {
  private readonly values: Readonly<Record<string, unknown>>;
  private readonly place: string;

  private constructor(values: Readonly<Record<string, unknown>>, place: string) {
    this.values = values;
    this.place = place;
  }

  /** @param place what to call it, e.g. "config.json" @throws ModelError where it is no JSON object */
  static of(value: unknown, place: string): Fields {
    const parsed = v.safeParse(v.record(v.string(), v.unknown()), value);
    if (!parsed.success || Array.isArray(value)) throw new ModelError(`${place}: it is not a JSON object`);
    return new Fields(parsed.output, place);
  }

  /** The fields of an object within, or null where it is missing or null. */
  inside(name: string): Fields | null {
    return this.missing(name) ? null : Fields.of(this.values[name], `${this.place}: ${name}`);
  }

  missing(name: string): boolean {
    return this.values[name] === undefined || this.values[name] === null;
  }

  /** The field's value; `fallback` where it is missing or null, and without one it must be there. */
  get<T>(name: string, schema: v.GenericSchema<unknown, T>, fallback?: T): T {
    if (this.missing(name) && fallback !== undefined) return fallback;
    const parsed = v.safeParse(schema, this.values[name]);
    if (parsed.success) return parsed.output;
    const [issue] = parsed.issues;
    return this.refuse(name, this.missing(name) ? 'it is missing' : issue.message);
  }

  flag(name: string, fallback = false): boolean {
    return this.get(name, v.boolean(), fallback);
  }

  /** A field that may be missing or null, or else is one of the values that this project can run. */
  only(name: string, accepted: readonly (string | number | boolean)[]): void {
    const value = this.values[name];
    if (this.missing(name) || accepted.some((x) => x === value)) return;
    this.refuse(name, `${shown(value)} is not supported, only ${accepted.map(shown).join(', ')}`);
  }

  /** A field that must be missing or null: what it stands for is not built. */
  without(name: string, why: string): void {
    if (!this.missing(name)) this.refuse(name, `${shown(this.values[name])}: ${why}; only null is accepted`);
  }

  refuse(name: string, why: string): never {
    throw new ModelError(`${this.place}: ${name}: ${why}`);
  }

  /** Rotary positions of all layers: rope_theta and rope_scaling, or in newer files both in rope_parameters. */
  rope(fallbackTheta: number): RopeConfig {
    const parameters = this.inside('rope_parameters');
    const theta = parameters?.get('rope_theta', base, fallbackTheta) ?? fallbackTheta;
    return {
      theta: this.get('rope_theta', base, theta),
      scaling: (this.inside('rope_scaling') ?? parameters)?.scaling() ?? { kind: 'none' },
    };
  }

  /** Rotary positions of one kind of layer, where these fields are its part of rope_parameters. */
  ropeParameters(fallbackTheta: number): RopeConfig {
    return { theta: this.get('rope_theta', base, fallbackTheta), scaling: this.scaling() };
  }

  /** @see https://github.com/huggingface/transformers, modeling_rope_utils.py, for the fields of each form */
  private scaling(): RopeScaling {
    this.only('partial_rotary_factor', [1]);
    // Older files say "type".
    const name = this.missing('rope_type') ? 'type' : 'rope_type';
    const kind = this.get(name, v.string(), 'default');
    switch (kind) {
      case 'default':
        return { kind: 'none' };
      case 'linear':
        return { kind: 'linear', factor: this.get('factor', factor) };
      case 'llama3': {
        const positive = v.pipe(v.number(), v.gtValue(0));
        const lowFrequency = this.get('low_freq_factor', positive);
        const highFrequency = this.get('high_freq_factor', positive);
        if (highFrequency <= lowFrequency)
          this.refuse('high_freq_factor', `${highFrequency} is not above low_freq_factor ${lowFrequency}`);
        const originalContext = this.get('original_max_position_embeddings', size);
        return { kind, factor: this.get('factor', factor), lowFrequency, highFrequency, originalContext };
      }
      default:
        return this.refuse(name, `${shown(kind)} is not supported, only "default", "linear", "llama3"`);
    }
  }

  /** sliding_window in tokens; `fallback` where the field is left out, but null is an answer: no window. */
  window(fallback: number): number | null {
    return this.values.sliding_window === null ? null : this.get('sliding_window', size, fallback);
  }

  /**
   * The kind of every layer: as layer_types lists them, or where it is left out by `otherwise`.
   *
   * @throws ModelError for a type that is neither full nor sliding attention
   */
  layerTypes(
    layers: number,
    kinds: { readonly full: LayerKind; readonly sliding: LayerKind | null },
    otherwise: (layer: number) => LayerKind,
  ): LayerKind[] {
    const range = Array.from({ length: layers }, (_, i) => i);
    if (this.missing('layer_types')) return range.map(otherwise);
    const types = this.get('layer_types', v.array(v.string()));
    if (types.length !== layers)
      this.refuse('layer_types', `it lists ${types.length} layers, but num_hidden_layers is ${layers}`);
    return types.map((type, i) => {
      if (type === 'full_attention') return kinds.full;
      if (type !== 'sliding_attention') {
        return this.refuse(
          'layer_types',
          `${shown(type)} of layer ${i} is not supported, only "full_attention", "sliding_attention"`,
        );
      }
      if (kinds.sliding) return kinds.sliding;
      return this.refuse('layer_types', `layer ${i} slides, but no sliding_window is in use`);
    });
  }
}
