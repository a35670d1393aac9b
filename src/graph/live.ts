/** What of a graph its outputs depend on: the rest is neither printed nor encoded. */
import type { Graph } from './graph.ts';
import type { Node, Value } from './types.ts';

/** Values a node reads, those of outer graphs that a loop's body reads included. */
export function reads(node: Node): readonly Value[] {
  return node.op === 'Loop' ? [...node.inputs, ...captured(node.attributes.body)] : node.inputs;
}

function captured(body: Graph): Value[] {
  const nodes = liveNodes(body);
  return [...nodes.flatMap((node) => reads(node)), ...body.outputs].filter((value) => value.graph !== body);
}

export function liveNodes(graph: Graph): Node[] {
  const wanted = new Set<Value>(graph.outputs);
  const given = new Set<Value>(graph.inputs);
  const kept: Node[] = [];
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some((y) => wanted.has(y) && !given.has(y))) continue;
    kept.push(node);
    for (const value of reads(node)) wanted.add(value);
  }
  return kept.reverse();
}

/** Values of this graph that its live nodes, loop bodies and outputs read. */
export function liveValues(graph: Graph): Set<Value> {
  return new Set([...liveNodes(graph).flatMap((node) => reads(node)), ...graph.outputs]);
}
