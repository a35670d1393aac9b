/**
 * Graders: what makes a response right, as data in a row of the data set. Letter case, punctuation and
 * spacing never matter except to `regex`, which sees the response as it is. Words match whole words only.
 */
import { RE2JS } from 're2js';
import { InputError } from '../model/text.ts';

/** A grader that can't be used: which field, and what it should be. */
export class GraderError extends InputError {
  override name = 'GraderError';
}

export type Grader =
  /** The whole response is one of these. */
  | { readonly kind: 'exact-any'; readonly accept: readonly string[] }
  /** Every phrase of `all`, at least one of `any`, none of `none`; at most `maxWords` words in total. */
  | {
      readonly kind: 'contains';
      readonly all?: readonly string[];
      readonly any?: readonly string[];
      readonly none?: readonly string[];
      readonly maxWords?: number;
    }
  /** Names the answer and none of the other options; at most `maxWords` words in total. */
  | {
      readonly kind: 'choice';
      readonly answer: string;
      readonly options: readonly string[];
      readonly maxWords?: number;
    }
  /** The last number in the response (digits, `1,234.5`), within `tolerance` (default 0). */
  | { readonly kind: 'number'; readonly value: number; readonly tolerance?: number }
  /**
   * A regular expression, always in Unicode mode. It comes with the data, and one for a backtracking engine could run
   * for years; RE2 takes time in proportion to the text, and has no lookaround and no references back.
   */
  | { readonly kind: 'regex'; readonly pattern: string; readonly flags?: string };

type Kind = Grader['kind'];

const FIELDS: { readonly [K in Kind]: readonly string[] } = {
  'exact-any': ['accept'],
  contains: ['all', 'any', 'none', 'maxWords'],
  choice: ['answer', 'options', 'maxWords'],
  number: ['value', 'tolerance'],
  regex: ['pattern', 'flags'],
};

/** Lower-case words, apostrophes and inner hyphens kept: `The mother's T-shirt!` is `the mother's t-shirt`. */
export function plainWords(text: string): string[] {
  const plain = text.normalize('NFKC').toLowerCase().replaceAll('’', "'");
  return plain.match(/[\p{L}\p{N}]+(?:['-][\p{L}\p{N}]+)*/gu) ?? [];
}

export function grade(grader: Grader, response: string): boolean {
  switch (grader.kind) {
    case 'exact-any': {
      const words = plainWords(response).join(' ');
      return grader.accept.some((text) => plainWords(text).join(' ') === words);
    }
    case 'contains': {
      const words = plainWords(response);
      const has = finder(words);
      return (
        words.length <= (grader.maxWords ?? Number.POSITIVE_INFINITY) &&
        (grader.all ?? []).every(has) &&
        (grader.any === undefined || grader.any.some(has)) &&
        !(grader.none ?? []).some(has)
      );
    }
    case 'choice': {
      const words = plainWords(response);
      const has = finder(words);
      const answer = plainWords(grader.answer).join(' ');
      const others = grader.options.filter((option) => plainWords(option).join(' ') !== answer);
      const short = words.length <= (grader.maxWords ?? Number.POSITIVE_INFINITY);
      return short && has(grader.answer) && !others.some(has);
    }
    case 'number': {
      const found = response.match(/[-+]?\d[\d,]*(?:\.\d+)?/g)?.at(-1);
      if (found === undefined) return false;
      return Math.abs(Number(found.replaceAll(',', '')) - grader.value) <= (grader.tolerance ?? 0);
    }
    case 'regex':
      return expressionOf(grader).matcher(response).find();
  }
}

/** Reads a row's grader; the error says which field is wrong and what it should be. */
export function parseGrader(value: unknown): Grader {
  if (!isRecord(value)) throw new GraderError(`grader: expected an object, found ${show(value)}`);
  const kind = value.kind;
  if (!isKind(kind)) {
    throw new GraderError(
      `grader.kind: expected one of ${Object.keys(FIELDS).join(', ')}, found ${show(kind)}`,
    );
  }
  for (const field of Object.keys(value)) {
    if (field !== 'kind' && !FIELDS[kind].includes(field)) {
      throw new GraderError(
        `grader (${kind}): unknown field "${field}"; known are ${FIELDS[kind].join(', ')}`,
      );
    }
  }
  switch (kind) {
    case 'exact-any':
      return { kind, accept: required(texts(value, 'accept'), 'accept') };
    case 'contains':
      return parseContains(value);
    case 'choice':
      return parseChoice(value);
    case 'number': {
      const tolerance = optionalNumber(value, 'tolerance', 0);
      const expected = required(optionalNumber(value, 'value'), 'value');
      return tolerance === undefined ? { kind, value: expected } : { kind, value: expected, tolerance };
    }
    case 'regex':
      return parseRegex(value);
  }
}

function parseContains(value: Readonly<Record<string, unknown>>): Grader {
  const all = texts(value, 'all');
  const any = texts(value, 'any');
  const none = texts(value, 'none');
  const maxWords = optionalNumber(value, 'maxWords', 1);
  if (!all && !any && !none) throw new GraderError('grader (contains): give at least one of all, any, none');
  return {
    kind: 'contains',
    ...(all && { all }),
    ...(any && { any }),
    ...(none && { none }),
    ...(maxWords !== undefined && { maxWords }),
  };
}

function parseChoice(value: Readonly<Record<string, unknown>>): Grader {
  const answer = required(text(value, 'answer'), 'answer');
  const options = required(texts(value, 'options'), 'options');
  const same = plainWords(answer).join(' ');
  if (!options.some((option) => plainWords(option).join(' ') === same)) {
    throw new GraderError(`grader.options: must hold the answer ${show(answer)}`);
  }
  const maxWords = optionalNumber(value, 'maxWords', 1);
  return { kind: 'choice', answer, options, ...(maxWords !== undefined && { maxWords }) };
}

function parseRegex(value: Readonly<Record<string, unknown>>): Grader {
  const pattern = value.pattern;
  if (typeof pattern !== 'string' || pattern === '') {
    throw new GraderError(`grader.pattern: expected a regular expression as text, found ${show(pattern)}`);
  }
  const flags = value.flags;
  if (flags !== undefined && (typeof flags !== 'string' || !/^[imsu]*$/.test(flags))) {
    throw new GraderError(`grader.flags: expected some of i, m, s, u, found ${show(flags)}`);
  }
  if (pattern.length > LONGEST_PATTERN) {
    throw new GraderError(`grader.pattern: ${pattern.length} characters, of at most ${LONGEST_PATTERN}`);
  }
  const grader: RegexGrader =
    flags === undefined ? { kind: 'regex', pattern } : { kind: 'regex', pattern, flags };
  try {
    expressionOf(grader);
  } catch (error) {
    throw new GraderError(`grader.pattern: ${error instanceof Error ? error.message : String(error)}`);
  }
  return grader;
}

/** Finds a phrase as a run of whole words. */
function finder(words: readonly string[]): (phrase: string) => boolean {
  const line = ` ${words.join(' ')} `;
  return (phrase) => line.includes(` ${plainWords(phrase).join(' ')} `);
}

type RegexGrader = Extract<Grader, { kind: 'regex' }>;

const LONGEST_PATTERN = 1000;

/** Read once a grader: it is asked about every answer. */
const expressions = new WeakMap<RegexGrader, RE2JS>();

function expressionOf(grader: RegexGrader): RE2JS {
  const known = expressions.get(grader);
  if (known !== undefined) return known;
  const { pattern, flags = '' } = grader;
  const expression = RE2JS.compile(
    RE2JS.translateRegExp(pattern),
    (flags.includes('i') ? RE2JS.CASE_INSENSITIVE : 0) |
      (flags.includes('m') ? RE2JS.MULTILINE : 0) |
      (flags.includes('s') ? RE2JS.DOTALL : 0),
  );
  expressions.set(grader, expression);
  return expression;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isKind(value: unknown): value is Kind {
  return typeof value === 'string' && Object.hasOwn(FIELDS, value);
}

function texts(value: Readonly<Record<string, unknown>>, field: string): string[] | undefined {
  const list = value[field];
  if (list === undefined) return undefined;
  if (!Array.isArray(list) || list.length === 0) {
    throw new GraderError(`grader.${field}: expected a list of texts with at least one, found ${show(list)}`);
  }
  return list.map((item: unknown, i) => word(item, `${field}[${i}]`));
}

function text(value: Readonly<Record<string, unknown>>, field: string): string | undefined {
  return value[field] === undefined ? undefined : word(value[field], field);
}

function word(item: unknown, name: string): string {
  if (typeof item === 'string' && plainWords(item).length > 0) return item;
  throw new GraderError(
    `grader.${name}: expected text with at least one letter or digit, found ${show(item)}`,
  );
}

function optionalNumber(
  value: Readonly<Record<string, unknown>>,
  field: string,
  least = Number.NEGATIVE_INFINITY,
): number | undefined {
  const number = value[field];
  if (number === undefined) return undefined;
  if (typeof number !== 'number' || !Number.isFinite(number) || number < least) {
    const bound = Number.isFinite(least) ? ` of at least ${least}` : '';
    throw new GraderError(`grader.${field}: expected a number${bound}, found ${show(number)}`);
  }
  return number;
}

function required<T>(value: T | undefined, field: string): T {
  if (value === undefined) throw new GraderError(`grader.${field}: missing`);
  return value;
}

function show(value: unknown): string {
  const json = JSON.stringify(value) ?? String(value);
  return json.length > 60 ? `${json.slice(0, 57)}...` : json;
}
