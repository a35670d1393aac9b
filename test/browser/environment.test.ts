import { env, InferenceSession, Tensor } from 'onnxruntime-web/webgpu';
import { expect, test } from 'vitest';

env.wasm.wasmPaths = '/ort/';
env.wasm.numThreads = 2;

/** `y = a x b`, both [2, 2] float32: a whole ONNX model, small enough to be written down. */
const MATMUL = Uint8Array.from(
  atob(
    'CAg6VQoRCgFhCgFiEgF5IgZNYXRNdWwSAW1aEwoBYRIOCgwIARIICgIIAgoCCAJaEwoBYhIOCgwIARIICgIIAgoCCAJiEwoBeRIOCgwIARIICgIIAgoCCAJCBAoAEBE=',
  ),
  (letter) => letter.charCodeAt(0),
);

test('the page is cross-origin isolated, so WASM has threads', () => {
  expect(crossOriginIsolated).toBe(true);
  expect(typeof SharedArrayBuffer).toBe('function');
});

test('there is a WebGPU adapter, emulated on the CPU', async () => {
  const adapter = await navigator.gpu.requestAdapter();
  expect(adapter?.info.architecture).toBe('swiftshader');
});

for (const provider of ['wasm', 'webgpu'] as const) {
  test(`a session runs on ${provider}, its runtime served locally`, async () => {
    const session = await InferenceSession.create(MATMUL, {
      executionProviders: [provider],
      // Nothing may fall back to the CPU unseen.
      extra: provider === 'webgpu' ? { session: { disable_cpu_ep_fallback: '1' } } : {},
    });
    const { y } = await session.run({
      a: new Tensor('float32', [1, 2, 3, 4], [2, 2]),
      b: new Tensor('float32', [0, 1, 1, 0], [2, 2]),
    });
    expect(await y?.getData()).toEqual(Float32Array.of(2, 1, 4, 3));
    await session.release();
    // onnxruntime falls back to one thread where it finds no SharedArrayBuffer.
    expect(env.wasm.numThreads).toBe(2);
  });
}

test('nothing was fetched from another host', () => {
  const entries = performance.getEntriesByType('resource').map((entry) => new URL(entry.name).host);
  expect(new Set(entries)).toEqual(new Set([location.host]));
});
