/** What a page and its workers hold, by the browser's debugger: after a collection, so that garbage is not counted. */
import type { CDPSession, Page } from 'playwright';

/** Bytes, but connections; page and workers together. */
export interface Heaps {
  /** Objects of JavaScript. */
  readonly objects: number;
  /** What array buffers hold beside them. */
  readonly buffers: number;
  readonly wasm: number;
  readonly gpu: number;
  readonly connections: number;
  readonly workers: number;
}

/** Asks one target: the page, or a worker. */
type Ask = (method: string, params?: object) => Promise<unknown>;

export async function heaps(page: Page): Promise<Heaps> {
  const session = await page.context().newCDPSession(page);
  try {
    const workers = await attachWorkers(session);
    const own: Ask = (method, params) => sendAs(session, method, params);
    const all = await Promise.all([own, ...workers].map(heapsOf));
    const sum = (key: keyof Heaps) => all.reduce((total, each) => total + each[key], 0);
    return {
      objects: sum('objects'),
      buffers: sum('buffers'),
      wasm: sum('wasm'),
      gpu: sum('gpu'),
      connections: sum('connections'),
      workers: workers.length,
    };
  } finally {
    await session.detach();
  }
}

const COUNTS = '[soakCounts.wasm(), soakCounts.gpu(), soakCounts.connections()]';

async function heapsOf(ask: Ask): Promise<Heaps> {
  await ask('HeapProfiler.collectGarbage');
  const usage = await ask('Runtime.getHeapUsage');
  const counts = value(await ask('Runtime.evaluate', { expression: COUNTS, returnByValue: true }));
  const [wasm, gpu, connections] = Array.isArray(counts) ? counts.map(Number) : [];
  return {
    objects: number(usage, 'usedSize') + number(usage, 'embedderHeapUsedSize'),
    buffers: number(usage, 'backingStorageSize'),
    wasm: wasm ?? Number.NaN,
    gpu: gpu ?? Number.NaN,
    connections: connections ?? Number.NaN,
    workers: 0,
  };
}

/**
 * The page's workers, without those that are threads of a runtime: they share their starter's memory and are often
 * asleep, where they answer no one.
 */
async function attachWorkers(session: CDPSession): Promise<Ask[]> {
  const asks: Ask[] = [];
  const waiting = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>();
  let last = 0;
  session.on('Target.receivedMessageFromTarget', ({ message }) => {
    const { id, result, error }: { id?: number; result?: unknown; error?: { message: string } } =
      JSON.parse(message);
    const call = id === undefined ? undefined : waiting.get(id);
    if (error) call?.reject(new Error(error.message));
    else call?.resolve(result);
  });
  session.on('Target.attachedToTarget', ({ sessionId, targetInfo }) => {
    if (targetInfo.type !== 'worker' || targetInfo.url.includes('/ort/')) return;
    asks.push((method, params = {}) => {
      const id = ++last;
      const answered = new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
      const message = JSON.stringify({ id, method, params });
      return session.send('Target.sendMessageToTarget', { sessionId, message }).then(() => answered);
    });
  });
  // Workers that live are told of before this call answers.
  await session.send('Target.setAutoAttach', {
    autoAttach: true,
    waitForDebuggerOnStart: false,
    flatten: false,
  });
  return asks;
}

/** The page itself, by the same three methods. */
async function sendAs(session: CDPSession, method: string, params: object = {}): Promise<unknown> {
  switch (method) {
    case 'HeapProfiler.collectGarbage':
      return session.send('HeapProfiler.collectGarbage');
    case 'Runtime.getHeapUsage':
      return session.send('Runtime.getHeapUsage');
    default:
      return session.send('Runtime.evaluate', { expression: '', ...params });
  }
}

function number(from: unknown, key: string): number {
  const found: unknown = typeof from === 'object' && from !== null ? Reflect.get(from, key) : undefined;
  return typeof found === 'number' ? found : 0;
}

function value(evaluated: unknown): unknown {
  const result: unknown =
    typeof evaluated === 'object' && evaluated !== null ? Reflect.get(evaluated, 'result') : null;
  return typeof result === 'object' && result !== null ? Reflect.get(result, 'value') : undefined;
}
