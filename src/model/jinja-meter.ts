/** What a template has used up: steps, time, and the texts and lists it has made. */
import type { Interpreter } from '@huggingface/jinja';
import { JinjaLimitError, type JinjaLimits } from './jinja-limits.ts';

export type JinjaValue = ReturnType<Interpreter['evaluate']>;

/** How large a value is, all that it holds included: as text, in items, and in levels. */
export interface Extent {
  readonly size: number;
  readonly items: number;
  readonly depth: number;
}

interface Measured extends Extent {
  /** Holds a namespace, whose contents can change. */
  readonly mutable: boolean;
}

const SCALAR: Measured = { size: 24, items: 0, depth: 0, mutable: false };

/** What an item of a list costs in memory, in characters. */
const ITEM = 32;

export class Meter {
  private readonly limits: JinjaLimits;
  private readonly end: number;
  private steps = 0;
  private produced = 0;
  /** Values do not change (namespaces apart), so each is measured and charged for once. */
  private readonly known = new WeakMap<JinjaValue, Measured>();

  constructor(limits: JinjaLimits) {
    this.limits = limits;
    this.end = Date.now() + limits.milliseconds;
  }

  /** @throws JinjaLimitError */
  step(count = 1): void {
    this.steps += count;
    if (this.steps > this.limits.steps) {
      throw new JinjaLimitError(`it takes more than ${this.limits.steps} steps`);
    }
    if (Date.now() > this.end) {
      throw new JinjaLimitError(`it takes longer than ${this.limits.milliseconds} ms`);
    }
  }

  /** @throws JinjaLimitError where the value is too large, or all values together are */
  measure(value: JinjaValue): Extent {
    return this.extent(value, 0);
  }

  private extent(value: JinjaValue, level: number): Measured {
    const inner: unknown = value.value;
    if (typeof inner !== 'string' && (typeof inner !== 'object' || inner === null)) return SCALAR;
    const known = this.known.get(value);
    if (known !== undefined) return known;
    const measured =
      typeof inner === 'string'
        ? { size: inner.length + 2, items: 0, depth: 0, mutable: false }
        : this.container(value, level);
    if (measured.size > this.limits.text) {
      throw new JinjaLimitError(`a text or list grows beyond ${this.limits.text} characters`);
    }
    if (!measured.mutable) {
      this.known.set(value, measured);
      this.charge(ITEM + (typeof inner === 'string' ? inner.length : ITEM * ownItems(inner)));
    }
    return measured;
  }

  /** The sum over all that a list or object holds, what occurs twice counted twice: as long as its text. */
  private container(value: JinjaValue, level: number): Measured {
    if (level > this.limits.depth) {
      throw new JinjaLimitError(`lists or objects nest more than ${this.limits.depth} deep`);
    }
    this.step();
    const inner: JinjaValue['value'] = value.value;
    const held = Array.isArray(inner) ? inner : inner instanceof Map ? [...inner.values()] : [];
    let size = 2;
    let items = held.length;
    let depth = 0;
    let mutable = value.type === 'NamespaceValue';
    for (const item of held) {
      const extent = this.extent(item, level + 1);
      size += extent.size + 2;
      items += extent.items;
      depth = Math.max(depth, extent.depth + 1);
      mutable ||= extent.mutable;
      if (size > this.limits.text) break;
    }
    if (inner instanceof Map) for (const key of inner.keys()) size += key.length + 4;
    return { size, items, depth, mutable };
  }

  /** Counts what a value takes that was not there before. */
  private charge(characters: number): void {
    this.produced += characters;
    if (this.produced > this.limits.produced) {
      throw new JinjaLimitError(
        `its texts and lists take more than ${this.limits.produced} characters together`,
      );
    }
  }
}

const ownItems = (inner: object): number =>
  Array.isArray(inner) ? inner.length : inner instanceof Map ? inner.size : 0;
