/** Chooses and opens a backend in a browser (page or worker) or, for tests, onnxruntime-web's WASM in Node. */
import { Device, DeviceError, type Ort } from './device.ts';
import type { DeviceInfo } from './types.ts';

export interface OpenOptions {
  readonly backend: 'auto' | 'webgpu' | 'wasm';
  /** Base address of onnxruntime's .wasm files, in browsers. */
  readonly wasmPath?: string;
  /** Most threads to use; default all cores. */
  readonly threads?: number;
}

/** A GPU adapter that computes on the CPU is slower than WASM: 'auto' counts it as none. */
function isSoftware(adapter: GPUAdapter): boolean {
  const { vendor, architecture, description, device } = adapter.info;
  return /swiftshader|llvmpipe|softpipe|software|basic render/i.test(
    `${vendor} ${architecture} ${description} ${device}`,
  );
}

function adapterName({ vendor, architecture, description, device }: GPUAdapterInfo): string {
  return description || [vendor, architecture, device].filter(Boolean).join(' ') || 'unnamed GPU';
}

async function findAdapter(): Promise<GPUAdapter | null> {
  // navigator.gpu is missing outside secure contexts and in Node, whatever the types say.
  const gpu: GPU | undefined = globalThis.navigator?.gpu;
  return (await gpu?.requestAdapter({ powerPreference: 'high-performance' })) ?? null;
}

/** The adapter that `openDevice` would take, or null where it would compute in WebAssembly. */
export async function backendFor(backend: OpenOptions['backend']): Promise<GPUAdapter | null> {
  const adapter = backend === 'wasm' ? null : await findAdapter();
  return adapter && (backend === 'webgpu' || !isSoftware(adapter)) ? adapter : null;
}

export async function openDevice(options: OpenOptions): Promise<Device> {
  const adapter = options.backend === 'wasm' ? null : await findAdapter();
  if (options.backend === 'webgpu' && !adapter) {
    throw new DeviceError(
      'WebGPU was asked for, but this browser offers no GPU adapter. Choose the backend "auto" or "wasm", or open the page in a browser with WebGPU on.',
    );
  }
  if (adapter && (options.backend === 'webgpu' || !isSoftware(adapter))) {
    try {
      return await openWebGpu(adapter, options);
    } catch (error) {
      if (options.backend === 'webgpu') throw error;
      return openWasm(
        options,
        `WebGPU did not start (${error instanceof Error ? error.message : String(error)})`,
      );
    }
  }
  const why =
    options.backend === 'wasm'
      ? 'WebAssembly was asked for'
      : adapter
        ? `the only GPU adapter computes in software (${adapterName(adapter.info)})`
        : 'this browser offers no GPU adapter';
  return openWasm(options, why);
}

function configure(ort: Ort, options: OpenOptions): number {
  const cores = globalThis.navigator?.hardwareConcurrency ?? 1;
  const inNode =
    typeof globalThis.window === 'undefined' && typeof globalThis.WorkerGlobalScope === 'undefined';
  const shared = inNode || globalThis.crossOriginIsolated;
  const threads = shared ? Math.min(options.threads ?? cores, 16) : 1;
  ort.env.wasm.numThreads = threads;
  if (options.wasmPath) ort.env.wasm.wasmPaths = options.wasmPath;
  ort.env.logLevel = 'error';
  return threads;
}

async function openWasm(options: OpenOptions, why: string): Promise<Device> {
  const inNode =
    typeof process !== 'undefined' &&
    Boolean(process.versions?.node) &&
    typeof globalThis.window === 'undefined';
  const ort: Ort = inNode ? await import('onnxruntime-web') : await import('onnxruntime-web/wasm');
  const threads = configure(ort, options);
  const note =
    threads === 1 && !inNode && !globalThis.crossOriginIsolated
      ? `${why}; one thread, since the page is not cross-origin isolated (its server does not send the COOP and COEP headers)`
      : why;
  const info: DeviceInfo = {
    backend: 'wasm',
    description: `WebAssembly, ${threads} thread${threads > 1 ? 's' : ''}`,
    threads,
    note,
  };
  return new Device({ ort, info, providers: ['wasm'] });
}

async function openWebGpu(adapter: GPUAdapter, options: OpenOptions): Promise<Device> {
  const ort: Ort = await import('onnxruntime-web/webgpu');
  const threads = configure(ort, options);
  const { limits } = adapter;
  // The largest buffers the adapter has: weights of real models pass the default 128 MiB.
  const gpu = await adapter.requestDevice({
    requiredFeatures: (['shader-f16', 'subgroups'] as const).filter((f) => adapter.features.has(f)),
    requiredLimits: {
      maxBufferSize: limits.maxBufferSize,
      maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
      maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
      maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
      maxComputeWorkgroupSizeX: limits.maxComputeWorkgroupSizeX,
      maxComputeWorkgroupSizeY: limits.maxComputeWorkgroupSizeY,
      maxComputeWorkgroupSizeZ: limits.maxComputeWorkgroupSizeZ,
      maxStorageBuffersPerShaderStage: limits.maxStorageBuffersPerShaderStage,
    },
  });
  const name = adapterName(adapter.info);
  const info: DeviceInfo = {
    backend: 'webgpu',
    description: name,
    threads,
    note: isSoftware(adapter)
      ? 'a software adapter: correct, but slower than WebAssembly'
      : 'a GPU adapter was found',
  };
  return new Device({ ort, info, gpu, providers: [{ name: 'webgpu', device: gpu }] });
}
