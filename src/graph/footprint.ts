/** How much memory one run of a graph takes, worked out from the shapes of its values. */
import type { Graph } from './graph.ts';
import { liveNodes, liveValues } from './live.ts';
import type { Dim, DType, Node, OpName, Shape, Value } from './types.ts';

const BYTES: Readonly<Record<DType, number>> = {
  float32: 4,
  float16: 2,
  uint8: 1,
  int32: 4,
  int64: 8,
  bool: 1,
};

/** Operators whose result onnxruntime puts in their input's place where nothing else reads that (measured on WASM). */
const IN_PLACE: ReadonlySet<OpName> = new Set<OpName>(['Sigmoid', 'Tanh', 'Softmax']);

/** Operators whose result is their input's memory under another shape or name. */
const ALIAS: ReadonlySet<OpName> = new Set<OpName>(['Reshape', 'Detach']);

/** Bytes of one run; sums over whole tensors, without what an allocator rounds up. */
export interface Footprint {
  /** What is handed in, the parameters included. */
  readonly inputs: number;
  /** What is built into the graph. */
  readonly constants: number;
  /** What is handed out. */
  readonly outputs: number;
  /** Intermediate results and outputs at the moment when there are most of them. */
  readonly working: number;
  /** The largest single tensor of all. */
  readonly largest: number;
}

/**
 * Follows the operators in the order in which onnxruntime runs them (depth first from the results, the last one
 * first), with each result freed after its last reader.
 *
 * @param sizes run-time sizes by name; loops count as nothing, their bodies are measured by themselves
 */
export function footprint(graph: Graph, sizes: Readonly<Record<string, number>> = {}): Footprint {
  const bytes = (value: Value): number => BYTES[value.dtype] * elements(value.shape, sizes);
  const live = liveValues(graph);
  const sum = (values: readonly Value[]) =>
    values.filter((v) => live.has(v)).reduce((total, v) => total + bytes(v), 0);
  const given = new Set<Value>([...graph.inputs, ...graph.constants.map((c) => c.value)]);
  const kept = new Set(graph.outputs);
  const order = depthFirst(graph, given);
  const readers = new Map<Value, number>();
  for (const node of order) for (const x of node.inputs) readers.set(x, (readers.get(x) ?? 0) + 1);

  // Values that share memory are one buffer; it goes when all that use it have been read.
  const buffer = new Map<Value, { bytes: number; users: number }>();
  let now = 0;
  let working = 0;
  let largest = Math.max(0, ...[...given].filter((v) => live.has(v)).map(bytes));
  const free = (value: Value): void => {
    const held = buffer.get(value);
    if (held && --held.users === 0) now -= held.bytes;
  };
  for (const node of order) {
    const [first] = node.inputs;
    const source = first && buffer.get(first);
    for (const y of node.outputs) {
      const lastReader = first !== undefined && readers.get(first) === 1 && !kept.has(first);
      const reuses =
        ALIAS.has(node.op) || (IN_PLACE.has(node.op) && lastReader && source?.bytes === bytes(y));
      if (reuses && source) {
        source.users++;
        buffer.set(y, source);
      } else if (ALIAS.has(node.op)) {
        // Of something handed in or built in, which is there anyway.
        buffer.set(y, { bytes: 0, users: 1 });
      } else {
        buffer.set(y, { bytes: bytes(y), users: 1 });
        now += bytes(y);
        largest = Math.max(largest, bytes(y));
      }
    }
    working = Math.max(working, now);
    for (const x of node.inputs) {
      const left = (readers.get(x) ?? 1) - 1;
      readers.set(x, left);
      if (left === 0 && !kept.has(x)) free(x);
    }
    for (const y of node.outputs) if (!readers.has(y) && !kept.has(y)) free(y);
  }
  const constants = graph.constants.map((c) => c.value);
  return {
    inputs: sum(graph.inputs),
    constants: sum(constants),
    outputs: sum([...kept]),
    working,
    largest,
  };
}

function elements(shape: Shape, sizes: Readonly<Record<string, number>>): number {
  return shape.reduce<number>((product, dim) => product * sizeOfDim(dim, sizes), 1);
}

/** A run-time size is a name, or the sum of names and numbers that a join makes of them. */
function sizeOfDim(dim: Dim, sizes: Readonly<Record<string, number>>): number {
  if (typeof dim === 'number') return dim;
  return dim.split('+').reduce((sum, term) => {
    const size = sizes[term] ?? Number(term);
    if (Number.isNaN(size)) throw new Error(`internal: no size for ${term}`);
    return sum + size;
  }, 0);
}

/** The live operators, each after all that it reads, results taken one after the other from the last. */
function depthFirst(graph: Graph, given: ReadonlySet<Value>): Node[] {
  const producer = new Map<Value, Node>();
  for (const node of liveNodes(graph)) for (const y of node.outputs) producer.set(y, node);
  const order: Node[] = [];
  const done = new Set<Node>();
  // By hand: graphs of many layers are deeper than the stack.
  const open: { node: Node; next: number }[] = [];
  const enter = (value: Value): void => {
    const node = given.has(value) ? undefined : producer.get(value);
    if (node && !done.has(node)) {
      done.add(node);
      open.push({ node, next: 0 });
    }
  };
  for (const output of graph.outputs.toReversed()) {
    enter(output);
    for (let top = open.at(-1); top; top = open.at(-1)) {
      const input = top.node.inputs[top.next++];
      if (input) enter(input);
      else {
        order.push(top.node);
        open.pop();
      }
    }
  }
  return order;
}
