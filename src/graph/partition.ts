/** Splits a graph with its gradient into a forward and a backward graph. */
import type { Graph } from './graph.ts';
import { liveNodes } from './live.ts';
import { minimumCut } from './minimum-cut.ts';
import { sizeOf } from './shapes.ts';
import type { Node, OpName, Value } from './types.ts';

/** Operators that are never computed again in the backward graph: they make nearly all of the work. */
const HEAVY: ReadonlySet<OpName> = new Set<OpName>(['MatMul', 'Gemm', 'MatMulNBits', 'Softmax']);

/** Operators whose result is their input's memory: to keep that is the same. */
const ALIAS: ReadonlySet<OpName> = new Set<OpName>(['Reshape', 'Detach']);

/**
 * The forward values that the forward graph hands out and the backward graph takes as inputs: those of least elements
 * from which all that the backward graph reads can be made without matrix products and softmax. Of a projection with
 * its adapter that is the sum, not both products. Selective recomputation as in arXiv 2205.05198, the selection as a
 * minimum cut between the heavy operators and the readers.
 *
 * @param g a graph holding forward and gradient operators
 * @param forwardCount number of operators that were there before `backward` was called
 * @param gradients what the backward graph is to compute
 */
export function savedValues(g: Graph, forwardCount: number, gradients: readonly Value[]): Value[] {
  const made = new Map<Value, Node>();
  for (const node of g.nodes.slice(0, forwardCount)) for (const y of node.outputs) made.set(y, node);
  const forward = new Set(made.values());
  const view = g.view(g.inputs, Object.fromEntries(gradients.map((v, i) => [`gradient_${i}`, v])));
  const readers = liveNodes(view).filter((node) => !forward.has(node));
  const read = new Set([...readers.flatMap((node) => node.inputs), ...gradients]);

  // Every forward value is two points, with its size between them: what enters the first is what it is made from.
  const values = [...made.keys()];
  const index = new Map(values.map((value, i) => [value, i] as const));
  const [source, sink] = [2 * values.length, 2 * values.length + 1];
  const arcs = values.flatMap((value, i) => {
    const node = made.get(value);
    if (!node) return [];
    const from = HEAVY.has(node.op)
      ? [source]
      : node.inputs.flatMap((x) => {
          const j = index.get(x);
          return j === undefined ? [] : [2 * j + 1];
        });
    return [
      ...from.map((point) => ({ from: point, to: 2 * i, capacity: Number.POSITIVE_INFINITY })),
      {
        from: 2 * i,
        to: 2 * i + 1,
        capacity: ALIAS.has(node.op) ? Number.POSITIVE_INFINITY : sizeOf(value.shape),
      },
      ...(read.has(value) ? [{ from: 2 * i + 1, to: sink, capacity: Number.POSITIVE_INFINITY }] : []),
    ];
  });
  const after = minimumCut(sink + 1, arcs, source, sink);
  return values.filter((_, i) => !after.has(2 * i) && after.has(2 * i + 1));
}
