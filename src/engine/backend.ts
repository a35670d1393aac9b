/** Chooses and opens a backend in a browser (page or worker) or, for tests, onnxruntime-web's WASM in Node. */
import { Device, DeviceError, type Ort } from './device.ts';
import type { DeviceInfo } from './types.ts';

export interface OpenOptions {
  readonly backend: 'auto' | 'webgpu' | 'wasm';
  /** Base address of onnxruntime's .wasm files, in browsers. */
  readonly wasmPath?: string;
  /** Most threads to use; default all cores. */
  readonly threads?: number;
  /** Milliseconds that the graphics driver may take to answer. */
  readonly patience?: number;
}

/** A GPU adapter that computes on the CPU is slower than WASM: 'auto' counts it as none. */
export function isSoftware(adapter: GPUAdapter): boolean {
  const { vendor, architecture, description, device } = adapter.info;
  return /swiftshader|llvmpipe|softpipe|software|basic render/i.test(
    `${vendor} ${architecture} ${description} ${device}`,
  );
}

function adapterName({ vendor, architecture, description, device }: GPUAdapterInfo): string {
  return description || [vendor, architecture, device].filter(Boolean).join(' ') || 'unnamed GPU';
}

/** What a driver that hangs does not do, in milliseconds: answer. */
const PATIENCE_MS = 20_000;

async function answered<T>(asked: Promise<T>, what: string, patience: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`${what} did not come within ${patience / 1000} seconds`)),
      patience,
    );
  });
  try {
    return await Promise.race([asked, silence]);
  } finally {
    clearTimeout(timer);
  }
}

/** @throws Error that says why there is none */
async function findAdapter(patience: number): Promise<GPUAdapter> {
  // navigator.gpu is missing outside secure contexts and in Node, whatever the types say.
  const gpu: GPU | undefined = globalThis.navigator?.gpu;
  if (!gpu) throw new Error('this browser has no WebGPU, or has it for pages over https alone');
  const adapter = await answered(
    gpu.requestAdapter({ powerPreference: 'high-performance' }),
    'the answer of the graphics driver',
    patience,
  );
  if (!adapter) throw new Error('this browser offers no GPU adapter');
  return adapter;
}

/** The adapter that `openDevice` would take, or null where it would compute in WebAssembly or not at all. */
export async function backendFor(backend: OpenOptions['backend']): Promise<GPUAdapter | null> {
  if (backend === 'wasm') return null;
  const adapter = await findAdapter(PATIENCE_MS).catch(() => null);
  return adapter && (backend === 'webgpu' || !isSoftware(adapter)) ? adapter : null;
}

/** @throws DeviceError where WebGPU was asked for by name and does not start */
export async function openDevice(options: OpenOptions): Promise<Device> {
  if (options.backend === 'wasm') return openWasm(options, 'WebAssembly was asked for');
  try {
    const adapter = await findAdapter(options.patience ?? PATIENCE_MS);
    if (options.backend === 'auto' && isSoftware(adapter)) {
      return openWasm(options, `the only GPU adapter computes in software (${adapterName(adapter.info)})`);
    }
    return await openWebGpu(adapter, options);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    if (options.backend === 'auto') return openWasm(options, `WebGPU did not start: ${why}`);
    throw new DeviceError(`WebGPU did not start: ${why}. Choose WebAssembly, or try another browser.`, {
      reasons: [
        'The graphics driver is too old, blocked by the browser, or switched off in its settings.',
        'The machine has no graphics processor that this browser can use.',
      ],
      offer: 'wasm',
      cause: error,
    });
  }
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
  const device = new Device({ ort, info, providers: ['wasm'] });
  // What is wrong with the runtime is told of by the first graph.
  if (!inNode) device.warm().catch(() => undefined);
  return device;
}

async function openWebGpu(adapter: GPUAdapter, options: OpenOptions): Promise<Device> {
  const ort: Ort = await import('onnxruntime-web/webgpu');
  const threads = configure(ort, options);
  const { limits } = adapter;
  // The largest buffers the adapter has: weights of real models pass the default 128 MiB.
  const asked = adapter.requestDevice({
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
  const gpu = await answered(asked, 'a device of the graphics driver', options.patience ?? PATIENCE_MS);
  const name = adapterName(adapter.info);
  const info: DeviceInfo = {
    backend: 'webgpu',
    description: name,
    threads,
    note: isSoftware(adapter)
      ? 'a software adapter: correct, but slower than WebAssembly'
      : 'a GPU adapter was found',
  };
  return new Device({
    ort,
    info,
    gpu,
    providers: [{ name: 'webgpu', device: gpu }],
    onWasm: () => openWasm(options, 'a GPU is compared with it'),
  });
}
