/** Inputs: any bytes, and good files with something done to them. */
import fc from 'fast-check';

type Change = (bytes: Uint8Array) => Uint8Array;

const concat = (...parts: Uint8Array[]): Uint8Array => {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
};

const place = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
const at = (bytes: Uint8Array, share: number): number => Math.floor(share * bytes.length);

/** Lengths, counts and offsets that break arithmetic: around 2^15, 2^31, 2^32, 2^53, 2^63, and small ones. */
const NUMBERS = [
  0n,
  1n,
  7n,
  255n,
  0x7fffn,
  0xffffn,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  0x100000000n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 64n - 1n,
];

const overwritten = (bytes: Uint8Array, start: number, put: Uint8Array): Uint8Array => {
  const copy = bytes.slice();
  copy.set(put.subarray(0, Math.max(0, copy.length - start)), start);
  return copy;
};

const number = (value: bigint, size: number): Uint8Array => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  return bytes.subarray(0, size);
};

const change: fc.Arbitrary<Change> = fc.oneof(
  fc.tuple(place, fc.nat(7)).map(
    ([p, bit]): Change =>
      (b) => {
        const copy = b.slice();
        const i = at(b, p);
        copy[i] = (copy[i] ?? 0) ^ (1 << bit);
        return copy;
      },
  ),
  place.map(
    (p): Change =>
      (b) =>
        b.slice(0, at(b, p)),
  ),
  place.map(
    (p): Change =>
      (b) =>
        b.slice(at(b, p)),
  ),
  fc.tuple(place, fc.uint8Array({ minLength: 1, maxLength: 40 })).map(
    ([p, put]): Change =>
      (b) =>
        concat(b.subarray(0, at(b, p)), put, b.subarray(at(b, p))),
  ),
  fc.tuple(place, place, place).map(
    ([p, q, to]): Change =>
      (b) =>
        concat(
          b.subarray(0, at(b, to)),
          b.subarray(at(b, Math.min(p, q)), at(b, Math.max(p, q))),
          b.subarray(at(b, to)),
        ),
  ),
  fc.tuple(place, place).map(
    ([p, q]): Change =>
      (b) =>
        concat(b.subarray(0, at(b, Math.min(p, q))), b.subarray(at(b, Math.max(p, q)))),
  ),
  fc.tuple(place, fc.constantFrom(...NUMBERS), fc.constantFrom(2, 4, 8)).map(
    ([p, value, size]): Change =>
      (b) =>
        overwritten(b, at(b, p), number(value, size)),
  ),
  // Headers come first (or, in zip files and Parquet, last): there most of all.
  fc.tuple(fc.nat(64), fc.constantFrom(...NUMBERS), fc.constantFrom(2, 4, 8), fc.boolean()).map(
    ([offset, value, size, fromEnd]): Change =>
      (b) =>
        overwritten(
          b,
          fromEnd ? Math.max(0, b.length - offset - size) : Math.min(offset, b.length),
          number(value, size),
        ),
  ),
);

/** Any bytes, and good files after one to five changes. */
export function bytesLike(...files: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  const changed = fc
    .tuple(fc.constantFrom(...files), fc.array(change, { minLength: 1, maxLength: 5 }))
    .map(([file, changes]) => changes.reduce((bytes, apply) => apply(bytes), file));
  const random = fc.uint8Array({ maxLength: 2000 });
  // A right beginning, and then anything.
  const begun = fc
    .tuple(fc.constantFrom(...files), fc.nat(64), random)
    .map(([file, length, rest]) => concat(file.subarray(0, length), rest));
  return fc.oneof(
    { weight: 6, arbitrary: changed },
    { weight: 1, arbitrary: random },
    { weight: 1, arbitrary: begun },
  );
}

/** What stands where JSON has a value, name or bracket. */
const PIECES = [
  '1e999',
  '-1e999',
  '-1',
  '0',
  '0.5',
  '-0',
  '9007199254740993',
  '1e308',
  '4294967296',
  'NaN',
  'null',
  'true',
  '""',
  '"\\ud800"',
  '"\\u0000"',
  '"\\u202e\\u2066"',
  '"__proto__"',
  '"constructor"',
  '"toString"',
  '"hasOwnProperty"',
  '"length"',
  '[]',
  '{}',
  '[[]]',
  '{"__proto__": {"polluted": true}}',
  '{"constructor": {"prototype": {"polluted": true}}}',
  '{"toString": 1, "valueOf": 1, "then": 1, "toJSON": 1}',
  '{"a": 1, "a": 2}',
  '[1e999, -1e999, null]',
  `${'['.repeat(3000)}${']'.repeat(3000)}`,
  `${'{"a":'.repeat(3000)}1${'}'.repeat(3000)}`,
  `"${'x'.repeat(50_000)}"`,
  `"${'\\"'.repeat(5000)}"`,
  `[${'0,'.repeat(5000)}0]`,
  '{',
  ']',
  ',',
  ':',
  '"',
  '',
];

const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null|[{}[\],:]/g;

interface Edit {
  readonly at: number;
  readonly piece: string;
  readonly twice: boolean;
}

function edited(text: string, edits: readonly Edit[]): string {
  return edits.reduce((now, { at: share, piece, twice }) => {
    const tokens = [...now.matchAll(TOKEN)];
    const token = tokens[Math.floor(share * tokens.length)];
    if (token === undefined) return now + piece;
    const end = token.index + token[0].length;
    return now.slice(0, token.index) + (twice ? `${token[0]}${piece}` : piece) + now.slice(end);
  }, text);
}

/** JSON texts with other values, names and brackets in some places; now and then bytes changed at random. */
export function jsonLike(...texts: readonly string[]): fc.Arbitrary<string> {
  const edit = fc.record({ at: place, piece: fc.constantFrom(...PIECES), twice: fc.boolean() });
  const changed = fc
    .tuple(fc.constantFrom(...texts), fc.array(edit, { minLength: 1, maxLength: 4 }))
    .map(([text, edits]) => edited(text, edits));
  const bytes = bytesLike(...texts.map(encode)).map(decode);
  return fc.oneof(
    { weight: 7, arbitrary: changed },
    { weight: 2, arbitrary: bytes },
    { weight: 1, arbitrary: fc.json() },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 500 }) },
  );
}

/** The same as parsed values, for readers that take those. */
export function valuesLike(...texts: readonly string[]): fc.Arbitrary<unknown> {
  return fc.oneof(
    { weight: 8, arbitrary: jsonLike(...texts).map(parsed) },
    { weight: 1, arbitrary: fc.anything({ withNullPrototype: true, withDate: true }) },
    { weight: 1, arbitrary: fc.jsonValue() },
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

export const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
export const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
