import { describe, expect, test } from 'vitest';
import { bytesFile } from '../../src/model/files.ts';
import {
  openHeader,
  readHeader,
  readSafetensors,
  SafetensorsError,
  writeSafetensors,
} from '../../src/model/safetensors.ts';

/** A file with any header, true or lying. */
function file(header: string, data: readonly number[] = [], length?: number | bigint): Uint8Array {
  const text = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + text.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length ?? text.length), true);
  bytes.set(text, 8);
  bytes.set(data, 8 + text.length);
  return bytes;
}
const entry = (dtype: string, shape: unknown, offsets: unknown) => ({ dtype, shape, data_offsets: offsets });

test('what is written is read back', () => {
  const tensors = [
    { name: 'b', shape: [2, 3], data: Float32Array.of(1, -2, 3.5, 1e-40, 1e38, -0) },
    { name: '1', shape: [], data: Float32Array.of(7) },
    { name: 'none', shape: [0, 4], data: new Float32Array(0) },
  ];
  const bytes = writeSafetensors(tensors, { format: 'pt' });
  expect(readSafetensors(bytes)).toEqual(expect.arrayContaining(tensors));
  const header = readHeader(bytes);
  expect(header.metadata).toEqual({ format: 'pt' });
  expect([...header.tensors.values()].map((t) => t.start % 8 === 0 || t.name !== 'b')).not.toContain(false);
  // At any place in a larger buffer, as a Node Buffer lies in its pool.
  const shifted = new Uint8Array(bytes.length + 3);
  shifted.set(bytes, 3);
  expect(readSafetensors(shifted.subarray(3))).toEqual(readSafetensors(bytes));
  expect(readSafetensors(Buffer.from(bytes))).toEqual(readSafetensors(bytes));
});

test('float16 and bfloat16 become float32', () => {
  const half = [0x00, 0x3c, 0x00, 0xc0, 0x01, 0x00, 0xff, 0x7b, 0x00, 0x7c, 0x00, 0x80];
  const [a] = readSafetensors(file(JSON.stringify({ x: entry('F16', [6], [0, 12]) }), half));
  expect(a?.data).toEqual(Float32Array.of(1, -2, 2 ** -24, 65504, Number.POSITIVE_INFINITY, -0));
  const brain = [0x80, 0x3f, 0x00, 0xc0, 0x49, 0x40];
  const [b] = readSafetensors(file(JSON.stringify({ x: entry('BF16', [3], [0, 6]) }), brain));
  expect(b?.data).toEqual(Float32Array.of(1, -2, 3.140625));
});

describe('lying headers', () => {
  const four = [0, 0, 0, 0];
  const one = (value: unknown, data = four) => file(JSON.stringify({ x: value }), data);
  test.each<[string, Uint8Array, string]>([
    ['no header', new Uint8Array(3), 'the file has 3 bytes'],
    [
      'a header longer than the file',
      file('{}', [], 99),
      'the header says 99 bytes, but the file has 2 after it',
    ],
    ['a header of 2^63 bytes', file('{}', [], 2n ** 63n), 'the header says'],
    ['no JSON', file('{"x": '), 'the header is not JSON'],
    ['a list', file('[]'), 'the header is not a JSON object'],
    ['bytes that are no UTF-8', file('{}').with(8, 0xff), 'the header is not UTF-8'],
    [
      'an unknown type',
      one(entry('I64', [1], [0, 8])),
      '"x": the type "I64" can\'t be read; known are F32, F16, BF16',
    ],
    ['a type named like a method', one(entry('toString', [1], [0, 4])), 'the type "toString"'],
    ['a negative size', one(entry('F32', [-1], [0, 4])), 'the shape is not a list of whole numbers'],
    ['one offset', one(entry('F32', [1], [0])), 'data_offsets is not two whole numbers'],
    [
      'a shape that needs more',
      one(entry('F32', [2], [0, 4])),
      'F32 of shape [2] needs 8 bytes, data_offsets give 4',
    ],
    ['a shape beyond all numbers', one(entry('F32', [2 ** 50, 2 ** 50], [0, 4])), 'needs'],
    ['data outside the file', one(entry('F32', [2], [0, 8])), 'it ends at byte'],
    ['a gap', one(entry('F32', [1], [4, 8]), [...four, ...four]), '4 unused bytes before it'],
    ['bytes after the end', one(entry('F32', [1], [0, 4]), [...four, 0]), '1 bytes after the last tensor'],
    ['a tensor that is no object', one(3), '"x": expected an object'],
    ['metadata that is no text', file('{"__metadata__": {"a": 1}}'), '__metadata__.a: expected text'],
  ])('%s', async (_, bytes, message) => {
    expect(() => readHeader(bytes)).toThrow(SafetensorsError);
    expect(() => readHeader(bytes)).toThrow(message);
    await expect(openHeader(bytesFile(bytes))).rejects.toThrow(message);
  });

  test('overlapping tensors', () => {
    const header = JSON.stringify({ x: entry('F32', [2], [0, 8]), y: entry('F32', [1], [4, 8]) });
    expect(() => readHeader(file(header, [...four, ...four]))).toThrow(
      '"y": its bytes overlap another tensor\'s',
    );
  });

  test('a name that occurs twice, however it is spelt; the same key further in is fine', () => {
    const x = JSON.stringify(entry('F32', [1], [0, 4]));
    expect(() => readHeader(file(`{"x":${x},"\\u0078" :${x}}`, four))).toThrow('the name "x" occurs twice');
    expect(readHeader(file(`{"shape":${x}}`, four)).tensors.has('shape')).toBe(true);
  });
});

test('writing refuses what could not be read', () => {
  const x = { name: 'x', shape: [1], data: Float32Array.of(1) };
  expect(() => writeSafetensors([x, x])).toThrow('the name "x" occurs twice');
  expect(() => writeSafetensors([{ ...x, shape: [2] }])).toThrow('shape [2] does not hold 1 numbers');
});
