/** A graph as text: one line an operator, for tests and for people. */
import type { Graph } from './graph.ts';
import { liveNodes } from './live.ts';
import { formatType, type Node } from './types.ts';

function attributes(node: Node): string {
  const entries = Object.entries(node.attributes).map(([key, value]) =>
    key === 'body' ? 'body' : `${key}=${Array.isArray(value) ? `[${value.join(',')}]` : String(value)}`,
  );
  return entries.length ? ` {${entries.join(' ')}}` : '';
}

/** Only what the outputs need is printed, as only that is encoded. */
export function print(graph: Graph, indent = ''): string {
  const lines = [`(${graph.inputs.map((v) => `${v.name}:${formatType(v)}`).join(', ')})`];
  for (const { value, data } of graph.constants) {
    const shown = data.length <= 4 ? `[${[...data].join(',')}]` : `${data.length} elements`;
    lines.push(`  ${value.name}:${formatType(value)} = ${shown}`);
  }
  for (const node of liveNodes(graph)) {
    const outputs = node.outputs.map((v) => `${v.name}:${formatType(v)}`).join(', ');
    lines.push(`  ${outputs} = ${node.op}(${node.inputs.map((v) => v.name).join(', ')})${attributes(node)}`);
    if (node.op === 'Loop') lines.push(print(node.attributes.body, `${indent}    `));
  }
  lines.push(`  -> ${graph.outputs.map((v, i) => `${graph.outputNames[i]}=${v.name}`).join(', ')}`);
  return lines.map((line) => indent + line).join('\n');
}
