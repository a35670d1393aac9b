/**
 * Put before everything else in the page and in each of its workers: counts what neither the browser's debugger nor
 * /proc tells. A script, not a module: its text is what is put there.
 */

interface SoakCounts {
  /** Bytes of WebAssembly's memories; nothing ever gives them back but the worker's end. */
  wasm(): number;
  /** Connections to IndexedDB that are open. */
  connections(): number;
  /** Bytes of GPU buffers that nobody has destroyed. */
  gpu(): number;
}

(() => {
  const memories: WebAssembly.Memory[] = [];
  WebAssembly.Memory = new Proxy(WebAssembly.Memory, {
    construct: (Memory, [descriptor]: [WebAssembly.MemoryDescriptor]) => {
      const memory = new Memory(descriptor);
      memories.push(memory);
      return memory;
    },
  });

  const open = new Set<IDBDatabase>();
  IDBFactory.prototype.open = new Proxy(IDBFactory.prototype.open, {
    apply: (target, factory: IDBFactory, given: [name: string, version?: number]) => {
      const request = Reflect.apply(target, factory, given);
      request.addEventListener('success', () => {
        const database = request.result;
        open.add(database);
        // By the browser, e.g. when the user clears the page's data.
        database.addEventListener('close', () => open.delete(database));
      });
      return request;
    },
  });
  IDBDatabase.prototype.close = new Proxy(IDBDatabase.prototype.close, {
    apply: (target, database: IDBDatabase, given: []) => {
      open.delete(database);
      Reflect.apply(target, database, given);
    },
  });

  let gpu = 0;
  if ('GPUDevice' in globalThis) {
    const sizes = new WeakMap<GPUBuffer, number>();
    GPUDevice.prototype.createBuffer = new Proxy(GPUDevice.prototype.createBuffer, {
      apply: (target, device: GPUDevice, given: [GPUBufferDescriptor]) => {
        const buffer = Reflect.apply(target, device, given);
        sizes.set(buffer, given[0].size);
        gpu += given[0].size;
        return buffer;
      },
    });
    GPUBuffer.prototype.destroy = new Proxy(GPUBuffer.prototype.destroy, {
      apply: (target, buffer: GPUBuffer, given: []) => {
        gpu -= sizes.get(buffer) ?? 0;
        sizes.delete(buffer);
        Reflect.apply(target, buffer, given);
      },
    });
  }

  const counts: SoakCounts = {
    wasm: () => memories.reduce((sum, { buffer }) => sum + buffer.byteLength, 0),
    connections: () => open.size,
    gpu: () => gpu,
  };
  Object.assign(globalThis, { soakCounts: counts });
})();
