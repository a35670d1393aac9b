/** Bytes of WebAssembly's memories in this page. To be imported before anything that makes one: it notes them as they are made. */

const memories: WebAssembly.Memory[] = [];
WebAssembly.Memory = new Proxy(WebAssembly.Memory, {
  construct: (Memory, [descriptor]: [WebAssembly.MemoryDescriptor]) => {
    const memory = new Memory(descriptor);
    memories.push(memory);
    return memory;
  },
});

export const heap = (): number => memories.reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
