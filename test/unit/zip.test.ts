/** The zip reader, on files that fflate and Python write and on files changed by hand to be wrong. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import {
  deflateSync,
  strToU8,
  ZipDeflate,
  ZipPassThrough,
  type Zippable,
  Zip as ZipWriter,
  zipSync,
} from 'fflate';
import { describe, expect, test } from 'vitest';
import { Crc32 } from '../../src/model/crc32.ts';
import { arraySource, blobSource, Zip, ZipError, type ZipLimits } from '../../src/model/zip.ts';

const HELLO = strToU8('hello, hello, hello, hello');
const NOISE = Uint8Array.from({ length: 60_000 }, (_, i) => (i * 2654435761) >>> (i % 23));

/** Opens and reads everything: what a careful user of the reader does. */
async function readAll(bytes: Uint8Array, limits?: Partial<ZipLimits>): Promise<Record<string, Uint8Array>> {
  const zip = await Zip.open(arraySource(bytes), limits);
  const all: Record<string, Uint8Array> = {};
  for (const name of zip.entries.keys()) all[name] = await zip.bytes(name, 2 ** 30);
  return all;
}

const refusal = async (bytes: Uint8Array, limits?: Partial<ZipLimits>): Promise<string> => {
  try {
    await readAll(bytes, limits);
  } catch (error) {
    expect(error).toBeInstanceOf(ZipError);
    return error instanceof Error ? error.message : '';
  }
  return 'accepted';
};

const SIGNATURE = { local: 0x04034b50, central: 0x02014b50, end: 0x06054b50 } as const;

/** Where the nth record of a kind begins; the contents here never contain a signature. */
function find(bytes: Uint8Array, kind: keyof typeof SIGNATURE, nth = 0): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let seen = 0;
  for (let at = 0; at + 4 <= bytes.byteLength; at++) {
    if (view.getUint32(at, true) === SIGNATURE[kind] && seen++ === nth) return at;
  }
  throw new Error(`no ${kind} record ${nth}`);
}

/** A copy with some numbers of a record changed. */
function changed(
  bytes: Uint8Array,
  kind: keyof typeof SIGNATURE,
  values: readonly (readonly [offset: number, size: 2 | 4, value: number])[],
  nth = 0,
): Uint8Array {
  const copy = bytes.slice();
  const view = new DataView(copy.buffer);
  const at = find(copy, kind, nth);
  for (const [offset, size, value] of values) {
    if (size === 2) view.setUint16(at + offset, value, true);
    else view.setUint32(at + offset, value, true);
  }
  return copy;
}

const one = (name = 'a.txt'): Uint8Array => zipSync({ [name]: HELLO });

test('reads what fflate writes: stored, deflated, empty, in folders, with names of any script', async () => {
  const files: Zippable = {
    'a.txt': HELLO,
    'folder/b.bin': [NOISE, { level: 0 }],
    'folder/c.bin': [NOISE, { level: 9 }],
    empty: new Uint8Array(),
    'Zürich/東京.txt': HELLO,
  };
  const all = await readAll(zipSync(files));
  expect(Object.keys(all).sort()).toEqual(Object.keys(files).sort());
  expect(all['folder/c.bin']).toEqual(NOISE);
  expect(all['folder/b.bin']).toEqual(NOISE);
  expect(all['Zürich/東京.txt']).toEqual(HELLO);
  expect(all.empty).toEqual(new Uint8Array());
});

test('reads streamed zips, whose sizes follow the data, from a Blob', async () => {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const writer = new ZipWriter((error, chunk) => {
    if (error) throw error;
    parts.push(chunk.slice());
  });
  const stored = new ZipPassThrough('stored');
  const deflated = new ZipDeflate('deflated');
  for (const file of [stored, deflated]) {
    writer.add(file);
    for (let at = 0; at < NOISE.length; at += 10_000) file.push(NOISE.subarray(at, at + 10_000));
    file.push(new Uint8Array(), true);
  }
  writer.end();
  const zip = await Zip.open(blobSource(new Blob(parts)));
  expect(await zip.bytes('stored', 2 ** 20)).toEqual(NOISE);
  expect(await zip.bytes('deflated', 2 ** 20)).toEqual(NOISE);
});

const python = spawnSync('python3', ['--version']).status === 0;

test.skipIf(!python)(
  "reads what Python's zipfile writes, folders and a comment included (needs python3)",
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'zip-'));
    try {
      const file = join(folder, 'x.zip');
      const script = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED) as z:
    z.comment = b'made by another program'
    z.mkdir('data') if hasattr(z, 'mkdir') else z.writestr('data/', '')
    z.writestr('data/x.jsonl', '{"prompt": "p"}\\n' * 5000)
`;
      execFileSync('python3', ['-c', script, file]);
      const all = await readAll(new Uint8Array(readFileSync(file)));
      expect(Object.keys(all)).toEqual(['data/x.jsonl']);
      expect(Buffer.from(all['data/x.jsonl'] ?? []).toString()).toBe('{"prompt": "p"}\n'.repeat(5000));
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);

test("CRC-32 agrees with Node's over pieces of odd lengths", () => {
  const crc = new Crc32();
  let at = 0;
  for (let size = 0; at < NOISE.length; size++) {
    crc.update(NOISE.subarray(at, at + size));
    at += size;
  }
  expect(crc.value).toBe(crc32(NOISE));
  expect(new Crc32().value).toBe(0);
});

describe('names', () => {
  test.each([
    ['/etc/passwd', 'absolute'],
    ['C:/x', 'absolute'],
    ['../x', 'leads out'],
    ['a/../../x', 'leads out'],
    ['a/..', 'leads out'],
    ['a\\b', 'backslash'],
    ['a\0b', 'NUL'],
    ['a\nb', 'control'],
    ['a//b', 'empty part'],
    ['./a', 'single dot'],
    ['', 'is empty'],
  ])('%j is refused', async (name, why) => {
    expect(await refusal(one(name))).toContain(why);
  });

  test('twice the same, also as Unicode sees it, and a file that is a folder, too', async () => {
    const two = zipSync({ ab: HELLO, ac: HELLO });
    const at = [find(two, 'central', 1) + 46, find(two, 'local', 1) + 30];
    for (const each of at) two[each + 1] = 'b'.charCodeAt(0);
    expect(await refusal(two)).toContain('occurs twice');
    expect(await refusal(zipSync({ é: HELLO, 'e\u0301': HELLO }))).toContain('occurs twice');
    expect(await refusal(zipSync({ a: HELLO, 'a/b': HELLO }))).toContain('both a file and a folder');
  });

  test('bytes that are not UTF-8', async () => {
    const bytes = one('ab');
    bytes[find(bytes, 'central') + 46] = 0xff;
    expect(await refusal(bytes)).toContain('not UTF-8');
  });
});

describe('kinds', () => {
  test('symbolic links and devices', async () => {
    const unix = (mode: number) =>
      changed(one(), 'central', [
        [4, 2, (3 << 8) | 20],
        [38, 4, (mode << 16) >>> 0],
      ]);
    expect(await refusal(unix(0xa1ff))).toContain('symbolic link');
    expect(await refusal(unix(0x6000))).toContain('neither a plain file');
    expect(await refusal(unix(0x81a4))).toBe('accepted');
  });

  test('encrypted entries, in either header', async () => {
    expect(await refusal(changed(one(), 'central', [[8, 2, 1]]))).toContain('encrypted');
    expect(await refusal(changed(one(), 'local', [[6, 2, 1]]))).toContain('encrypted');
  });

  test('other compressions, and headers that disagree', async () => {
    expect(await refusal(changed(one(), 'central', [[10, 2, 14]]))).toContain('method 14');
    expect(await refusal(changed(one(), 'local', [[8, 2, 0]]))).toContain('two different compressions');
    const renamed = one('ab');
    renamed[find(renamed, 'local') + 30] = 'x'.charCodeAt(0);
    expect(await refusal(renamed)).toContain('calls itself');
  });

  test('zip64 and parts of several', async () => {
    expect(await refusal(changed(one(), 'end', [[16, 4, 0xffffffff]]))).toContain('zip64');
    expect(await refusal(changed(one(), 'central', [[24, 4, 0xffffffff]]))).toContain('zip64');
    expect(await refusal(changed(one(), 'end', [[4, 2, 1]]))).toContain('one part of several');
  });
});

describe('sizes', () => {
  test('more entries, larger entries or more in all than allowed', async () => {
    const three = zipSync({ a: HELLO, b: HELLO, c: HELLO });
    expect(await refusal(three, { entries: 2 })).toContain('3 entries');
    expect(await refusal(three, { entryBytes: 25 })).toContain('at most 25');
    expect(await refusal(three, { totalBytes: 77 })).toContain('78 bytes');
    expect(await refusal(three, { totalBytes: 78 })).toBe('accepted');
    const zip = await Zip.open(arraySource(three));
    await expect(zip.bytes('a', 10)).rejects.toThrow('at most 10');
    await expect(zip.bytes('d', 10)).rejects.toThrow('there is no "d"');
  });

  test('a bomb that says its size', async () => {
    expect(await refusal(zipSync({ bomb: new Uint8Array(50_000_000) }))).toContain('not believable');
  });

  test('a bomb that lies about its size is left as soon as it is longer, after little work', async () => {
    const bomb = changed(zipSync({ bomb: new Uint8Array(100_000_000) }), 'central', [[24, 4, 500_000]]);
    const zip = await Zip.open(arraySource(bomb));
    let seen = 0;
    const read = async () => {
      for await (const chunk of zip.chunks('bomb')) seen += chunk.length;
    };
    await expect(read()).rejects.toThrow('longer than the 500000 bytes');
    expect(seen).toBe(0);
  });

  test('entries that overlap: one piece of data for many', async () => {
    const two = zipSync({ ab: [NOISE, { level: 0 }], ac: HELLO });
    expect(await refusal(changed(two, 'central', [[42, 4, 0]], 1))).toContain('overlap');
    // One header inside another's data.
    expect(await refusal(changed(two, 'central', [[42, 4, 1000]], 1))).toContain('overlap');
    // A local header whose extra field pushes the data into what follows.
    expect(await refusal(changed(two, 'local', [[28, 2, 40]]))).toContain('overlaps what follows');
  });
});

describe('damage', () => {
  const stored = zipSync({ a: [NOISE, { level: 0 }] });

  test('a flipped bit', async () => {
    const flipped = stored.slice();
    flipped[1000] = (flipped[1000] ?? 0) ^ 1;
    expect(await refusal(flipped)).toContain('checksum');
    expect(await refusal(changed(one(), 'central', [[16, 4, 1]]))).toContain('checksum');
  });

  test('an end cut off, a middle cut out, no zip at all', async () => {
    expect(await refusal(stored.slice(0, -1))).toContain('not a zip file');
    expect(await refusal(stored.slice(100))).toContain('not where its end says');
    expect(await refusal(HELLO)).toContain('not a zip file');
    expect(await refusal(new Uint8Array())).toContain('not a zip file');
  });

  test('a size that is too large, deflated data that end early or are none', async () => {
    expect(await refusal(changed(one(), 'central', [[24, 4, 100]]))).toContain('its header says 100');
    const deflated = deflateSync(NOISE);
    const cut = changed(zipSync({ a: NOISE }), 'central', [[20, 4, deflated.length - 20]]);
    expect(await refusal(cut)).toContain('damaged');
    expect(await refusal(changed(stored, 'central', [[10, 2, 8]]))).toContain('compressions');
  });

  test('every truncation and every flipped byte of a small file is refused or read the same', async () => {
    const small = zipSync({ 'a/b': HELLO, c: [HELLO, { level: 0 }] });
    for (let cut = 0; cut < small.length; cut++)
      expect(await refusal(small.slice(0, cut))).not.toBe('accepted');
    for (let at = 0; at < small.length; at++) {
      const flipped = small.slice();
      flipped[at] = (flipped[at] ?? 0) ^ 0x55;
      if ((await refusal(flipped)) !== 'accepted') continue;
      for (const bytes of Object.values(await readAll(flipped))) expect(bytes).toEqual(HELLO);
    }
  });
});

test('an aborted reading stops', async () => {
  const zip = await Zip.open(arraySource(one()));
  await expect(zip.bytes('a.txt', 100, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
});
