/**
 * Jinja with limits. A template comes with a model from anywhere and is a program: it can loop for ever, double a
 * text in every round, or nest without end. @huggingface/jinja has no limits of its own, so every node that it
 * evaluates passes through here and is counted, timed and measured; operations whose result can be far larger
 * than their operands (join, replace, indent, tojson, range) are estimated before they are carried out.
 */
import { Environment, Interpreter, parse, tokenize } from '@huggingface/jinja';
import { jinjaGlobals } from './jinja-globals.ts';
import { JINJA_LIMITS, JinjaLimitError, type JinjaLimits } from './jinja-limits.ts';
import { type JinjaValue, Meter } from './jinja-meter.ts';

export { JINJA_LIMITS, JinjaLimitError, type JinjaLimits } from './jinja-limits.ts';

export type JinjaProgram = ReturnType<typeof parse>;
type Node = Parameters<Interpreter['evaluate']>[0];
type FunctionValue = Extract<JinjaValue, { value: (args: JinjaValue[], scope: Environment) => JinjaValue }>;

/** Longest run of white space: the lexer's patterns take quadratic time over such runs. */
const WHITE_SPACE = 1_000;

/** Text searched x pattern searched for, in characters: the worst case of a search is their product. */
const SEARCH = 200_000_000;

/** Characters of a path of attributes, as in sort(attribute='a.b'). */
const ATTRIBUTE_PATH = 200;

/**
 * @throws JinjaLimitError where it is too long or nests too deeply; Error where it is not Jinja
 */
export function parseJinja(source: string, limits: JinjaLimits = JINJA_LIMITS): JinjaProgram {
  if (source.length > limits.template) {
    throw new JinjaLimitError(`it has ${source.length} characters, of at most ${limits.template}`);
  }
  if (source.split(/\S+/).some((blank) => blank.length > WHITE_SPACE)) {
    throw new JinjaLimitError(`it has more than ${WHITE_SPACE} blank characters in a row`);
  }
  return withinStack(() => parse(tokenize(source, { lstrip_blocks: true, trim_blocks: true })));
}

/**
 * @throws JinjaLimitError where a limit is reached; Error for whatever else the template does wrong, or raises itself
 */
export function renderJinja(
  program: JinjaProgram,
  variables: Readonly<Record<string, unknown>>,
  limits: JinjaLimits = JINJA_LIMITS,
): string {
  const environment = new Environment();
  for (const [name, value] of Object.entries(jinjaGlobals(limits))) environment.set(name, value);
  for (const [name, value] of Object.entries(variables)) environment.set(name, value);
  const output: unknown = withinStack(() => new BoundedInterpreter(environment, limits).run(program)).value;
  if (typeof output !== 'string') throw new Error('internal: a template gave no text');
  return output;
}

/** What V8 says of its own limits, in our words. */
function withinStack<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new JinjaLimitError(
      /call stack/i.test(error.message) ? 'it nests too deeply' : `a text grew too long (${error.message})`,
    );
  }
}

/** A node being evaluated, and its operand: a filter's text or list, a member's owner, a search's left side. */
interface Frame {
  readonly node: NonNullable<Node>;
  operand: JinjaValue | undefined;
}

class BoundedInterpreter extends Interpreter {
  private readonly meter: Meter;
  private readonly limits: JinjaLimits;
  private readonly guarded = new WeakSet<object>();
  private frame: Frame | undefined;
  private depth = 0;

  constructor(environment: Environment, limits: JinjaLimits) {
    super(environment);
    this.limits = limits;
    this.meter = new Meter(limits);
  }

  override evaluate(node: Node, environment: Environment): JinjaValue {
    if (node === undefined) return super.evaluate(node, environment);
    this.meter.step();
    const outer = this.frame;
    if (++this.depth > this.limits.depth) {
      throw new JinjaLimitError(`it calls itself or nests more than ${this.limits.depth} deep`);
    }
    this.frame = { node, operand: undefined };
    let value: JinjaValue;
    try {
      value = super.evaluate(node, environment);
    } finally {
      // Also after break and continue, which arrive as exceptions.
      this.frame = outer;
      this.depth--;
    }
    this.meter.measure(value);
    if (outer !== undefined) this.look(outer, node, value);
    return value;
  }

  /** Watches `value`, which was evaluated for `outer`, before `outer` is carried out with it. */
  private look(outer: Frame, node: NonNullable<Node>, value: JinjaValue): void {
    const parent = outer.node;
    switch (parent.type) {
      case 'MemberExpression':
        if (field(parent, 'object') === node) this.guardMethods(value);
        break;
      case 'For':
        // A loop builds its list before the first round.
        if (listOf(parent) === node) this.meter.step(this.meter.measure(value).items);
        break;
      case 'BinaryExpression':
        if (field(parent, 'left') === node) outer.operand = value;
        else if (outer.operand !== undefined && isSearch(parent)) {
          checkSearch(value.value, outer.operand.value);
        }
        break;
      case 'FilterExpression':
        if (field(parent, 'operand') === node) {
          outer.operand = value;
          this.guardMethods(value);
        } else if (outer.operand !== undefined) this.checkFilter(filterName(parent), outer.operand, value);
        break;
      case 'FilterStatement':
        // The block's text is not known here, so what could multiply it is refused.
        if (!bodyOf(parent).includes(node)) throw new Error('a filter block with arguments is not supported');
        break;
    }
  }

  /** Before a filter's argument is used: how often could it be repeated? */
  private checkFilter(name: string, operand: JinjaValue, argument: JinjaValue): void {
    const { size, items, depth } = this.meter.measure(operand);
    const factor = Math.max(this.meter.measure(argument).size, largestNumber(argument.value));
    if (name === 'sort' || name === 'map') {
      if (factor > ATTRIBUTE_PATH)
        throw new JinjaLimitError(`${name} by an attribute of ${factor} characters`);
    } else if (name === 'join') {
      this.checkResult(name, size + (typeof operand.value === 'string' ? size : items) * factor);
    } else if (name === 'indent') {
      this.checkResult(name, size + count(operand.value, '\n') * factor);
    } else if (name === 'tojson') {
      this.checkResult(name, size + (items + 1) * (depth + 1) * factor);
    }
  }

  private checkResult(name: string, characters: number): void {
    if (characters > this.limits.text) {
      throw new JinjaLimitError(
        `${name} would give a text of more than ${this.limits.text} characters, which is the limit`,
      );
    }
  }

  /** Puts a check before those methods of a text that search or multiply. */
  private guardMethods(owner: JinjaValue): void {
    const text: unknown = owner.value;
    if (typeof text !== 'string' || this.guarded.has(owner)) return;
    this.guarded.add(owner);
    for (const name of ['replace', 'split'] as const) {
      const method = owner.builtins.get(name);
      if (method === undefined || !isFunction(method)) continue;
      const original = method.value;
      method.value = (args, scope) => {
        this.meter.step(1);
        const [first, second] = args.map(({ value }): unknown => value);
        checkSearch(text, first);
        if (name === 'replace' && typeof first === 'string' && typeof second === 'string') {
          const most = text.length + (text.length / Math.max(1, first.length) + 1) * second.length;
          // The exact number of replacements is counted only where the quick bound does not do.
          if (most > this.limits.text)
            this.checkResult(name, text.length + count(text, first) * second.length);
        }
        return original(args, scope);
      };
    }
  }
}

function checkSearch(text: unknown, pattern: unknown): void {
  if (typeof text === 'string' && typeof pattern === 'string' && text.length * pattern.length > SEARCH) {
    throw new JinjaLimitError(
      `searching ${text.length} characters for a text of ${pattern.length} could take too long`,
    );
  }
}

/** How often `part` occurs in a text, and once more. */
function count(text: unknown, part: string): number {
  if (typeof text !== 'string') return 1;
  if (part === '') return text.length + 1;
  let found = 1;
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + part.length)) found++;
  return found;
}

/** Numbers may come inside of a list or an object, by * and **. Measured before, so neither deep nor large. */
function largestNumber(value: unknown): number {
  if (typeof value === 'number') return Math.abs(value);
  if (typeof value !== 'object' || value === null) return 0;
  const inner: unknown[] = value instanceof Map ? [...value.values()] : Array.isArray(value) ? value : [];
  return inner.reduce<number>((most, item) => Math.max(most, largestNumber(unwrap(item))), 0);
}

const unwrap = (item: unknown): unknown =>
  typeof item === 'object' && item !== null && 'value' in item ? item.value : item;

/** A field of a syntax node; the package does not export the nodes' types. */
function field(node: unknown, name: string): unknown {
  if (typeof node !== 'object' || node === null) return undefined;
  return Object.getOwnPropertyDescriptor(node, name)?.value;
}

/** Is it `in` or `not in`? */
const isSearch = (node: NonNullable<Node>): boolean =>
  /\bin$/.test(String(field(field(node, 'operator'), 'value')));

/** `join` of `x | join` and of `x | join(', ')`. */
function filterName(node: NonNullable<Node>): string {
  const filter = field(node, 'filter');
  return String(field(field(filter, 'callee') ?? filter, 'value') ?? '');
}

/** The list of `for x in list` and of `for x in list if test`. */
function listOf(loop: NonNullable<Node>): unknown {
  const iterable = field(loop, 'iterable');
  return field(iterable, 'type') === 'SelectExpression' ? field(iterable, 'lhs') : iterable;
}

function bodyOf(node: NonNullable<Node>): unknown[] {
  const body = field(node, 'body');
  return Array.isArray(body) ? body : [];
}

const isFunction = (value: JinjaValue): value is FunctionValue => typeof value.value === 'function';
