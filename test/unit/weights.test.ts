/** Weights of a folder on their way to the device: in pieces, hashed as they pass, never twice in memory. */
import { createHash } from 'node:crypto';
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { folder } from '../../scripts/lib/native.ts';
import { openDevice } from '../../src/engine/backend.ts';
import type { Device } from '../../src/engine/device.ts';
import { loadLanguageModel } from '../../src/engine/language-model.ts';
import { parseModelConfig } from '../../src/model/config.ts';
import { type FileSource, wholeFiles } from '../../src/model/files.ts';
import { elements, modelWeights } from '../../src/model/parameters.ts';
import { type SafetensorsType, writeSafetensors } from '../../src/model/safetensors.ts';
import { weightBytes } from '../../src/model/weight-form.ts';
import { openWeights } from '../../src/model/weights.ts';
import { checkModel } from '../../src/pipeline/identity.ts';

const MODEL = fileURLToPath(new URL('../../public/models/default-lm', import.meta.url));
const MB = 2 ** 20;
const sha = (...parts: Uint8Array[]) =>
  parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest();

let device: Device;
beforeAll(async () => {
  device = await openDevice({ backend: 'wasm', threads: 1 });
});
afterAll(() => device.dispose());

/** 164 million parameters, 0.33 GB in bfloat16, the largest tensor 0.12 GB of it. */
const LARGE = {
  ...JSON.parse(readFileSync(join(MODEL, 'config.json'), 'utf8')),
  vocab_size: 60_000,
  hidden_size: 1024,
  intermediate_size: 2816,
  num_hidden_layers: 8,
  num_attention_heads: 16,
  num_key_value_heads: 16,
  head_dim: 64,
};

/** Writes a sharded folder without ever holding it; returns its size. */
function writeLarge(path: string, shards: number): number {
  const noise = Buffer.alloc(MB);
  for (let i = 0; i < noise.length; i += 2) {
    // bfloat16 of about +-0.02.
    noise[i] = (i * 2654435761) >>> 24;
    noise[i + 1] = i % 4 ? 0x3c : 0xbc;
  }
  const weights = modelWeights(parseModelConfig(LARGE));
  const map: Record<string, string> = {};
  let total = 0;
  for (let shard = 0; shard < shards; shard++) {
    const file = `model-0000${shard + 1}-of-0000${shards}.safetensors`;
    const header: Record<string, unknown> = {};
    let end = 0;
    for (const [i, { name, shape }] of weights.entries()) {
      if (Math.floor((i * shards) / weights.length) !== shard) continue;
      map[name] = file;
      const start = end;
      end += 2 * elements(shape);
      header[name] = { dtype: 'BF16', shape, data_offsets: [start, end] };
    }
    const text = Buffer.from(JSON.stringify(header));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    const out = openSync(join(path, file), 'w');
    writeSync(out, Buffer.concat([length, text]));
    for (let at = 0; at < end; at += MB) writeSync(out, noise.subarray(0, Math.min(MB, end - at)));
    total += 8 + text.length + end;
  }
  writeFileSync(join(path, 'model.safetensors.index.json'), JSON.stringify({ weight_map: map }));
  writeFileSync(join(path, 'config.json'), JSON.stringify(LARGE));
  for (const name of ['tokenizer.json', 'tokenizer_config.json', 'generation_config.json'])
    writeFileSync(join(path, name), readFileSync(join(MODEL, name)));
  return total;
}

test('a sharded folder of 0.33 GB loads in the memory of what is kept and a few pieces', async () => {
  const path = mkdtempSync(join(tmpdir(), 'self-contrast-weights-'));
  try {
    const size = writeLarge(path, 3);
    const before = process.memoryUsage();
    let [most, resident] = [0, 0];
    const told: number[] = [];
    const model = await loadLanguageModel(device, folder(path), {
      precision: 'q8',
      onProgress: (bytes, total) => {
        const now = process.memoryUsage();
        most = Math.max(most, now.arrayBuffers - before.arrayBuffers);
        resident = Math.max(resident, now.rss - before.rss);
        told.push(bytes);
        expect(total).toBe(size);
      },
    });
    const kept = modelWeights(model.config).reduce((sum, w) => sum + weightBytes('q8', w), 0);
    const figures = [size, kept, most, resident].map((bytes) => (bytes / MB).toFixed(0));
    console.log(
      `files ${figures[0]} MiB, kept ${figures[1]} MiB; peak of arrays ${figures[2]} MiB, of the process ${figures[3]} MiB`,
    );
    expect(most).toBeGreaterThan(kept);
    expect(most).toBeLessThan(kept + 256 * MB);
    expect(resident).toBeLessThan(kept + 256 * MB);
    expect(told.at(-1)).toBe(size);
    expect(told).toEqual([...told].sort((a, b) => a - b));
    // The same formula as in every earlier version.
    const files = ['config.json', 1, 2, 3].map((n) =>
      n === 'config.json' ? n : `model-0000${n}-of-00003.safetensors`,
    );
    const hashes = files.map((file) => sha(readFileSync(join(path, file))));
    expect(model.info.fingerprint).toBe(sha(...hashes).toString('hex'));

    const abort = new AbortController();
    const cancelled = loadLanguageModel(device, folder(path), {
      signal: abort.signal,
      onProgress: (bytes, total) => bytes > total / 3 && abort.abort(new Error('enough')),
    });
    await expect(cancelled).rejects.toThrow('enough');
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
}, 600_000);

/** The embedded model with its weights changed. */
async function changed(
  change: (name: string, data: Float32Array) => Float32Array,
  dtype: SafetensorsType = 'F32',
  more: { name: string; shape: number[]; data: Float32Array }[] = [],
): Promise<FileSource> {
  const base = folder(MODEL);
  const config = parseModelConfig(JSON.parse(readFileSync(join(MODEL, 'config.json'), 'utf8')));
  const reader = await openWeights(config, base);
  const tensors = [];
  for (const { name, shape } of modelWeights(config))
    tensors.push({ name, shape, data: change(name, (await reader.read(name)).data) });
  const bytes = writeSafetensors([...more, ...tensors], {}, dtype);
  return wholeFiles('changed', async (path) => (path === 'model.safetensors' ? bytes : base.read(path)));
}

describe('what weights may be', () => {
  const down = 'model.layers.2.mlp.down_proj.weight';

  test('pieces are the tensors, whatever their type and size', async () => {
    const source = await changed((_, data) => data, 'BF16');
    const config = parseModelConfig(JSON.parse(readFileSync(join(MODEL, 'config.json'), 'utf8')));
    const reader = await openWeights(config, source);
    const seen = new Map<string, Float32Array>();
    const bytes: Uint8Array[] = [];
    for await (const { name, at, values } of reader.pieces({ seen: (_, part) => bytes.push(part.slice()) })) {
      const data = seen.get(name) ?? new Float32Array(values.length);
      data.set(values, at);
      seen.set(name, data);
    }
    for (const { name } of modelWeights(config))
      expect(seen.get(name)).toEqual((await reader.read(name)).data);
    expect(Buffer.concat(bytes).equals((await source.read('model.safetensors')) ?? new Uint8Array())).toBe(
      true,
    );
  });

  test('tensors that are not asked for are passed over, and belong to the fingerprint', async () => {
    const buffer = { name: 'model.rotary.inv_freq', shape: [3], data: Float32Array.of(1, 2, 3) };
    const source = await changed((_, data) => data, 'F32', [buffer]);
    const model = await loadLanguageModel(device, source);
    const files = [await source.read('config.json'), await source.read('model.safetensors')];
    expect(model.info.fingerprint).toBe(
      sha(...files.map((file) => sha(file ?? new Uint8Array()))).toString('hex'),
    );
  });

  test('a number that is none, or too large for float16, is told of with its weight', async () => {
    const put = (x: number) => changed((name, data) => (name === down ? data.with(7, x) : data));
    await expect(loadLanguageModel(device, await put(Number.NaN))).rejects.toThrow(
      `"${down}" holds numbers that are not finite`,
    );
    const large = await put(70_000);
    await expect(loadLanguageModel(device, large, { precision: 'f16' })).rejects.toThrow(
      `"${down}" holds 7.0e+4, too large for float16: choose the precision f32, q8 or q4`,
    );
    for (const precision of ['f32', 'q8', 'q4'] as const)
      expect((await loadLanguageModel(device, large, { precision })).info.precision).toBe(precision);
  });

  test('a damaged shard is named', async () => {
    const base = folder(MODEL);
    const cut = wholeFiles('cut', async (path) => {
      const bytes = await base.read(path);
      return path === 'model.safetensors' ? (bytes?.subarray(0, 100_000) ?? null) : bytes;
    });
    await expect(loadLanguageModel(device, cut)).rejects.toThrow('cut: model.safetensors: ');
  });
});

test('a run goes on only with the tokenizer and chat template it began with', async () => {
  const base = folder(MODEL);
  const { info } = await loadLanguageModel(device, base);
  const template = wholeFiles(base.name, async (path) =>
    path === 'chat_template.jinja' ? new TextEncoder().encode('{{ messages[0].content }}') : base.read(path),
  );
  const other = (await loadLanguageModel(device, template)).info;
  expect(other.fingerprint).toBe(info.fingerprint);
  expect(() => checkModel(info, info)).not.toThrow();
  expect(() => checkModel(info, other)).toThrow('another tokenizer or chat template');
  // A run of a version that did not keep it goes on.
  const { textFingerprint: _, ...old } = info;
  expect(() => checkModel(old, other)).not.toThrow();
});
