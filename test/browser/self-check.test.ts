/**
 * The self-check on a real WebGPU device (computed in software): a sound one passes; wrong numbers, a device that is
 * lost or does not answer, and one that refuses are found and told apart. Nothing is imitated: the device is broken.
 */
import { afterEach, beforeAll, expect, test } from 'vitest';
import { openDevice } from '../../src/engine/backend.ts';
import { loadLanguageModel } from '../../src/engine/language-model.ts';
import type { FileSource, LanguageModel } from '../../src/engine/types.ts';
import type { Precision } from '../../src/model/precision.ts';
import { urlFolder } from '../../src/service/url-folder.ts';

const LORA = { rank: 2, alpha: 4, targets: ['q_proj', 'v_proj', 'down_proj'] };
const PATIENCE = 600_000;

/** The devices that the engine opens in a test, and the buffers that it makes on them. */
const opened: GPUDevice[] = [];
const buffers: GPUBuffer[] = [];
beforeAll(() => {
  const createBuffer = GPUDevice.prototype.createBuffer;
  GPUDevice.prototype.createBuffer = function (descriptor) {
    const buffer = createBuffer.call(this, descriptor);
    buffers.push(buffer);
    return buffer;
  };
  const requestDevice = GPUAdapter.prototype.requestDevice;
  GPUAdapter.prototype.requestDevice = async function (...options) {
    const device = await requestDevice.apply(this, options);
    opened.push(device);
    return device;
  };
});

/** The default model's first layer. */
function oneLayer(): FileSource {
  const whole = urlFolder('/models/default-lm/', 'default-lm');
  const config = async () => {
    const bytes = await whole.read('config.json');
    const value = JSON.parse(new TextDecoder().decode(bytes ?? new Uint8Array()));
    return new TextEncoder().encode(JSON.stringify({ ...value, num_hidden_layers: 1 }));
  };
  return { ...whole, read: (path, signal) => (path === 'config.json' ? config() : whole.read(path, signal)) };
}

const models: LanguageModel[] = [];
async function load(
  precision: Precision = 'f32',
): Promise<{ model: LanguageModel; gpu: GPUDevice; embedding: GPUBuffer }> {
  buffers.length = 0;
  const device = await openDevice({ backend: 'webgpu', wasmPath: '/ort/' });
  const gpu = opened.at(-1);
  if (!gpu) throw new Error('no GPU device was opened');
  const model = await loadLanguageModel(device, oneLayer(), { precision });
  models.push(model);
  const [embedding] = buffers.sort((a, b) => b.size - a.size);
  if (!embedding) throw new Error('the model made no buffer');
  return { model, gpu, embedding };
}
afterEach(async () => {
  for (const model of models.splice(0)) await model.dispose().catch(() => undefined);
});

for (const precision of ['f32', 'q8', 'q4'] as const) {
  test(
    `a sound device passes, far within what is allowed (${precision})`,
    async () => {
      const { model } = await load(precision);
      const check = await model.selfCheck(LORA);
      expect(check).toMatchObject({ passed: true, backend: 'webgpu', precision, remarks: [] });
      expect(check.compared.map(({ what }) => what)).toEqual([
        'log-probabilities against WebAssembly',
        'gradients against WebAssembly',
        'gradient against a finite difference',
      ]);
      for (const { difference, allowed, what } of check.compared)
        expect(difference, what).toBeLessThan(allowed / 3);
    },
    PATIENCE,
  );
}

test(
  'numbers that differ from WebAssembly are found, and WebAssembly offered',
  async () => {
    const { model, gpu, embedding } = await load();
    // The table of the embedding and the head: every weight a little off, as a driver's bug might have it.
    const noise = Float32Array.from({ length: embedding.size / 4 }, (_, i) => 0.05 * Math.sin(i));
    gpu.queue.writeBuffer(embedding, 0, noise);
    const check = await model.selfCheck(LORA);
    expect(check).toMatchObject({ passed: false, offer: 'wasm' });
    expect(check.problem).toMatch(
      /the graphics device \(.*swiftshader.*\) computes wrong numbers: log-probabilities against WebAssembly/i,
    );
    expect(check.advice).toMatch(/Use WebAssembly/);
    // Its own gradient is right for what it has.
    const [logps, , slope] = check.compared;
    expect(logps?.difference).toBeGreaterThan(logps?.allowed ?? 0);
    expect(slope?.difference).toBeLessThan(slope?.allowed ?? 0);
  },
  PATIENCE,
);

test(
  'numbers that are none are found, and where they begin is named',
  async () => {
    const { model, gpu, embedding } = await load();
    gpu.queue.writeBuffer(embedding, 0, new Float32Array(embedding.size / 4).fill(Number.NaN));
    const check = await model.selfCheck(LORA);
    expect(check).toMatchObject({ passed: false, offer: 'wasm' });
    expect(check.problem).toMatch(/the embedding gives numbers that are not finite/);
  },
  PATIENCE,
);

test(
  'a device that is lost in the middle is no verdict on it; one that does not answer is',
  async () => {
    const lost = await load();
    const check = lost.model.selfCheck(LORA, { onProgress: (done) => done === 1 && lost.gpu.destroy() });
    await expect(check).rejects.toMatchObject({ name: 'DeviceLostError', offer: 'wasm' });

    const silent = await load();
    expect(await silent.model.selfCheck(LORA, { patience: 20 })).toMatchObject({
      passed: false,
      offer: 'wasm',
      problem: expect.stringContaining('did not answer within 0.02 seconds'),
    });
  },
  PATIENCE,
);

test(
  'an error that the driver reports on its own is found',
  async () => {
    const { model, embedding } = await load();
    // Commands that use a destroyed buffer are refused as a whole, and what they should have written is not.
    embedding.destroy();
    const check = await model.selfCheck(LORA);
    expect(check).toMatchObject({ passed: false, offer: 'wasm' });
    expect(check.problem).toMatch(/failed: the graphics driver (reported an error|failed) \(.*destroyed/s);
  },
  PATIENCE,
);

test('a driver that gives no device, or does not answer, is told of with the way out', async () => {
  const open = (change: object) => openDevice({ backend: 'webgpu', wasmPath: '/ort/', ...change });
  await expect(open({ patience: 0 })).rejects.toMatchObject({
    name: 'DeviceError',
    offer: 'wasm',
    message: expect.stringMatching(/WebGPU did not start: .* did not come within 0 seconds/),
  });
  const features = Object.getOwnPropertyDescriptor(GPUAdapter.prototype, 'limits');
  if (!features?.get) throw new Error('GPUAdapter has no limits');
  const { get } = features;
  // An adapter that promises more than it has: the real one then refuses the device.
  Object.defineProperty(GPUAdapter.prototype, 'limits', {
    configurable: true,
    get() {
      const limits: GPUSupportedLimits = get.call(this);
      return new Proxy(limits, {
        get: (target, name) => (name === 'maxBufferSize' ? 2 ** 50 : Reflect.get(target, name)),
      });
    },
  });
  try {
    await expect(open({})).rejects.toMatchObject({
      name: 'DeviceError',
      offer: 'wasm',
      message: /WebGPU did not start/,
    });
    const chosen = await openDevice({ backend: 'auto', wasmPath: '/ort/' });
    expect(chosen.info.backend).toBe('wasm');
  } finally {
    Object.defineProperty(GPUAdapter.prototype, 'limits', features);
  }
});

test('a tensor beyond the device’s buffers is refused with the way out', async () => {
  // A device as it comes without asking for more: 128 MiB a binding.
  const requestDevice = GPUAdapter.prototype.requestDevice;
  GPUAdapter.prototype.requestDevice = function () {
    return requestDevice.call(this);
  };
  try {
    const device = await openDevice({ backend: 'webgpu', wasmPath: '/ort/' });
    expect(() => device.upload(new Float32Array(2 ** 25 + 4), [2 ** 25 + 4])).toThrow(
      expect.objectContaining({
        name: 'DeviceError',
        offer: 'wasm',
        message: expect.stringMatching(/134 MB/),
      }),
    );
    await device.dispose();
  } finally {
    GPUAdapter.prototype.requestDevice = requestDevice;
  }
});
