/** Splits a graph with its gradient into a forward and a backward graph. */
import type { Graph } from './graph.ts';
import { liveNodes } from './live.ts';
import type { Node, OpName, Value } from './types.ts';

/** Operators worth remembering the result of; everything else is computed again in the backward graph. */
const HEAVY: ReadonlySet<OpName> = new Set<OpName>(['MatMul', 'Gemm', 'MatMulNBits', 'Softmax']);

/**
 * The forward values that the gradient outputs need and that are dear to compute: the forward graph hands
 * them out and the backward graph takes them as inputs. Selective recomputation as in arXiv 2205.05198,
 * with matrix products and softmax kept.
 *
 * @param g a graph holding forward and gradient operators
 * @param forwardCount number of operators that were there before `backward` was called
 * @param gradients what the backward graph is to compute
 */
export function savedValues(g: Graph, forwardCount: number, gradients: readonly Value[]): Value[] {
  const producer = new Map<Value, { node: Node; forward: boolean }>();
  g.nodes.forEach((node, i) => {
    for (const y of node.outputs) producer.set(y, { node, forward: i < forwardCount });
  });
  const view = g.view(g.inputs, Object.fromEntries(gradients.map((v, i) => [`gradient_${i}`, v])));
  const backwardNodes = new Set(liveNodes(view));
  const saved = new Set<Value>();
  const seen = new Set<Value>();
  const visit = (value: Value): void => {
    if (seen.has(value)) return;
    seen.add(value);
    const made = producer.get(value);
    if (!made) return;
    if (made.forward && HEAVY.has(made.node.op)) saved.add(value);
    else for (const x of made.node.inputs) visit(x);
  };
  for (const value of gradients) visit(value);
  return [...saved].filter((value) => {
    const made = producer.get(value);
    return made !== undefined && backwardNodes.has(made.node);
  });
}
