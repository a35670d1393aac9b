/**
 * Encodes a graph as an ONNX ModelProto. Field numbers are those of onnx.proto (IR version 10, operator set
 * 21); the wire format is protobufjs's.
 */
import protobuf from 'protobufjs/minimal.js';
import type { Constant, Graph } from './graph.ts';
import { liveNodes, liveValues } from './live.ts';
import type { DType, Node, Shape, TensorType, Value } from './types.ts';

const { Writer } = protobuf;
type Writer = protobuf.Writer;

const IR_VERSION = 10;
const OPSET = 21;
const CONTRIB = 'com.microsoft';
const DATA_TYPE: Record<DType, number> = {
  float32: 1,
  uint8: 2,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
};

type Attribute =
  | { readonly name: string; readonly int: number }
  | { readonly name: string; readonly float: number }
  | { readonly name: string; readonly ints: readonly number[] }
  | { readonly name: string; readonly graph: Graph };

/** How a node is written: operator name, attributes, and attributes that ONNX takes as int64 inputs. */
interface Lowered {
  readonly op: string;
  /** Operators of onnxruntime's own have a domain. */
  readonly domain?: string;
  readonly attributes?: readonly Attribute[];
  readonly extra?: readonly (readonly number[])[];
  /** Outputs that are left out before each further one. */
  readonly skipped?: number;
}

const flag = (name: string, on: boolean): Attribute => ({ name, int: on ? 1 : 0 });

/** "To the end", for Slice. */
const MAX_SLICE = 2 ** 31 - 1;

/** Run-time sizes become -1. */
const sizes = (shape: Shape): number[] => shape.map((d) => (typeof d === 'number' ? d : -1));

/** As ONNX's Reshape wants them: 0 copies the input's size at that place, -1 is worked out. */
const reshaped = (from: Shape, to: Shape): number[] =>
  to.map((d, i) => (typeof d === 'number' ? d : d === from[i] ? 0 : -1));

function lower(node: Node): Lowered {
  switch (node.op) {
    case 'Detach':
      return { op: 'Identity' };
    case 'Cast':
      return { op: 'Cast', attributes: [{ name: 'to', int: DATA_TYPE[node.attributes.to] }] };
    case 'Gemm':
      return {
        op: 'Gemm',
        attributes: [flag('transA', node.attributes.transA), flag('transB', node.attributes.transB)],
      };
    case 'Transpose':
      return { op: 'Transpose', attributes: [{ name: 'perm', ints: node.attributes.perm }] };
    case 'Reshape':
      return { op: 'Reshape', extra: [reshaped(node.inputs[0]?.shape ?? [], node.attributes.shape)] };
    case 'Expand':
      return { op: 'Expand', extra: [sizes(node.attributes.shape)] };
    case 'Concat':
      return { op: 'Concat', attributes: [{ name: 'axis', int: node.attributes.axis }] };
    case 'Split':
      return {
        op: 'Split',
        attributes: [{ name: 'axis', int: node.attributes.axis }],
        extra: [node.attributes.sizes],
      };
    case 'SplitAt':
      return { op: 'Split', attributes: [{ name: 'axis', int: node.attributes.axis }] };
    case 'Slice': {
      const { start, end, axis } = node.attributes;
      return { op: 'Slice', extra: [[start], [typeof end === 'number' ? end : MAX_SLICE], [axis]] };
    }
    case 'ReduceSum':
    case 'ReduceMax':
    case 'ReduceMin':
      return {
        op: node.op,
        attributes: [flag('keepdims', node.attributes.keepdims)],
        extra: [node.attributes.axes],
      };
    case 'CumSum':
      return {
        op: 'CumSum',
        attributes: [flag('reverse', node.attributes.reverse)],
        extra: [[node.attributes.axis]],
      };
    case 'Softmax':
      return { op: 'Softmax', attributes: [{ name: 'axis', int: -1 }] };
    case 'Gather':
      return { op: 'Gather', attributes: [{ name: 'axis', int: 0 }] };
    case 'GatherElements':
      return { op: 'GatherElements', attributes: [{ name: 'axis', int: -1 }] };
    case 'MatMulNBits': {
      const [, q] = node.inputs;
      const [n = 0, blocks = 0] = sizes(q?.shape ?? []);
      const { bits, block } = node.attributes;
      return {
        op: 'MatMulNBits',
        domain: CONTRIB,
        attributes: [
          { name: 'K', int: blocks * block },
          { name: 'N', int: n },
          { name: 'bits', int: bits },
          { name: 'block_size', int: block },
        ],
      };
    }
    case 'GatherBlockQuantized':
      return {
        op: 'GatherBlockQuantized',
        domain: CONTRIB,
        attributes: [
          { name: 'gather_axis', int: 0 },
          { name: 'quantize_axis', int: 1 },
          { name: 'bits', int: node.attributes.bits },
          { name: 'block_size', int: node.attributes.block },
        ],
      };
    case 'GroupQueryAttention':
      return {
        op: 'GroupQueryAttention',
        domain: CONTRIB,
        attributes: [
          { name: 'num_heads', int: node.attributes.heads },
          { name: 'kv_num_heads', int: node.attributes.kvHeads },
          { name: 'scale', float: node.attributes.scale },
          { name: 'local_window_size', int: node.attributes.window },
        ],
      };
    case 'RotaryEmbedding':
    case 'FastGelu':
      return { op: node.op, domain: CONTRIB };
    case 'SimplifiedLayerNormalization':
      return { op: node.op, attributes: [{ name: 'epsilon', float: node.attributes.epsilon }] };
    case 'SkipSimplifiedLayerNormalization':
      return {
        op: node.op,
        domain: CONTRIB,
        attributes: [{ name: 'epsilon', float: node.attributes.epsilon }],
        skipped: 2,
      };
    case 'QuickGelu':
      return {
        op: node.op,
        domain: CONTRIB,
        attributes: [{ name: 'alpha', float: node.attributes.alpha }],
      };
    case 'Loop':
      return { op: 'Loop', attributes: [{ name: 'body', graph: node.attributes.body }] };
    default:
      return { op: node.op };
  }
}

function message(writer: Writer, field: number, write: (inner: Writer) => void): void {
  writer.uint32((field << 3) | 2).fork();
  write(writer);
  writer.ldelim();
}

const string = (w: Writer, field: number, value: string): Writer => w.uint32((field << 3) | 2).string(value);
const integer = (w: Writer, field: number, value: number): Writer => w.uint32(field << 3).int64(value);

function writeAttribute(w: Writer, attribute: Attribute, names: ReadonlyMap<Value, string>): void {
  string(w, 1, attribute.name);
  if ('int' in attribute) {
    integer(w, 3, attribute.int);
    integer(w, 20, 2);
  } else if ('float' in attribute) {
    w.uint32((2 << 3) | 5).float(attribute.float);
    integer(w, 20, 1);
  } else if ('ints' in attribute) {
    for (const x of attribute.ints) integer(w, 8, x);
    integer(w, 20, 7);
  } else {
    message(w, 6, (inner) => writeGraph(inner, attribute.graph, 'body', names));
    integer(w, 20, 5);
  }
}

function writeValueInfo(w: Writer, name: string, type: TensorType): void {
  string(w, 1, name);
  message(w, 2, (typeProto) =>
    message(typeProto, 1, (tensor) => {
      integer(tensor, 1, DATA_TYPE[type.dtype]);
      message(tensor, 2, (shape) => {
        for (const dim of type.shape) {
          message(shape, 1, (d) => (typeof dim === 'number' ? integer(d, 1, dim) : string(d, 2, dim)));
        }
      });
    }),
  );
}

const bytesOf = ({ data }: Constant): Uint8Array =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

/** @param apart whether the data lie in a file of the tensor's name */
function writeTensor(w: Writer, name: string, constant: Constant, apart: boolean): void {
  const { value } = constant;
  for (const dim of sizes(value.shape)) integer(w, 1, dim);
  integer(w, 2, DATA_TYPE[value.dtype]);
  string(w, 8, name);
  if (apart) {
    const entries = { location: name, offset: '0', length: String(constant.data.byteLength) };
    for (const [key, text] of Object.entries(entries)) {
      message(w, 13, (entry) => {
        string(entry, 1, key);
        string(entry, 2, text);
      });
    }
    integer(w, 14, 1);
  } else w.uint32((9 << 3) | 2).bytes(bytesOf(constant));
}

function writeInt64s(w: Writer, name: string, values: readonly number[]): void {
  integer(w, 1, values.length);
  integer(w, 2, DATA_TYPE.int64);
  string(w, 8, name);
  const data = BigInt64Array.from(values, BigInt);
  w.uint32((9 << 3) | 2).bytes(new Uint8Array(data.buffer));
}

/**
 * Names under which a graph's own results are written: an output's name for the value it shows first, so that
 * handing it out costs no copy. Inputs, constants, outer values and second outputs need an Identity instead.
 */
function resultNames(graph: Graph, nodes: readonly Node[]): { named: Map<Value, string>; copied: number[] } {
  const given = new Set<Value>(graph.inputs);
  const own = new Set<Value>(nodes.flatMap((node) => node.outputs).filter((value) => !given.has(value)));
  const named = new Map<Value, string>();
  const copied: number[] = [];
  graph.outputs.forEach((value, i) => {
    if (own.has(value) && !named.has(value)) named.set(value, graph.outputNames[i] ?? '');
    else copied.push(i);
  });
  return { named, copied };
}

function writeGraph(
  w: Writer,
  graph: Graph,
  name: string,
  outer: ReadonlyMap<Value, string> = new Map(),
  apart: ReadonlySet<Constant> = new Set(),
): void {
  const nodes = liveNodes(graph);
  const { named, copied } = resultNames(graph, nodes);
  const names = new Map([...outer, ...named]);
  const nameOf = (value: Value): string => names.get(value) ?? value.name;
  const extras: { name: string; values: readonly number[] }[] = [];
  const prefix = graph.parent ? 'b' : 'x';
  for (const node of nodes) {
    const lowered = lower(node);
    const inputs = node.inputs.map(nameOf);
    for (const values of lowered.extra ?? []) {
      // Named after the output they serve, so that a body's never meet the outer graph's.
      const extra = `${prefix}_${node.outputs[0]?.name ?? ''}_${inputs.length}`;
      extras.push({ name: extra, values });
      inputs.push(extra);
    }
    message(w, 1, (n) => {
      for (const input of inputs) string(n, 1, input);
      node.outputs.forEach((output, i) => {
        // An output that is left out has no name.
        for (let skipped = i > 0 ? (lowered.skipped ?? 0) : 0; skipped > 0; skipped--) string(n, 2, '');
        string(n, 2, nameOf(output));
      });
      string(n, 4, lowered.op);
      if (lowered.domain) string(n, 7, lowered.domain);
      for (const attribute of lowered.attributes ?? [])
        message(n, 5, (a) => writeAttribute(a, attribute, names));
    });
  }
  for (const i of copied) {
    const value = graph.outputs[i];
    if (!value) continue;
    message(w, 1, (n) => {
      string(n, 1, nameOf(value));
      string(n, 2, graph.outputNames[i] ?? '');
      string(n, 4, 'Identity');
    });
  }
  string(w, 2, name);
  const live = liveValues(graph);
  for (const constant of graph.constants) {
    if (live.has(constant.value))
      message(w, 5, (t) => writeTensor(t, constant.value.name, constant, apart.has(constant)));
  }
  for (const { name: extra, values } of extras) message(w, 5, (t) => writeInt64s(t, extra, values));
  for (const value of graph.inputs) message(w, 11, (v) => writeValueInfo(v, value.name, value));
  graph.outputs.forEach((value, i) => {
    message(w, 12, (v) => writeValueInfo(v, graph.outputNames[i] ?? '', value));
  });
}

/** Files without onnxruntime's own operators stay free of its domain: other runtimes may read them. */
const usesContrib = (graph: Graph): boolean =>
  liveNodes(graph).some((node) =>
    node.op === 'Loop' ? usesContrib(node.attributes.body) : lower(node).domain,
  );

/** A graph as an .onnx file, and large constants as files of their own that it names. */
export interface EncodedModel {
  readonly model: Uint8Array;
  /** Not copies: the constants' own memory. */
  readonly files: readonly { readonly path: string; readonly data: Uint8Array }[];
}

/** The graph as the bytes of a valid .onnx file. */
export const encodeModel = (graph: Graph): Uint8Array => encodeParts(graph, Number.POSITIVE_INFINITY).model;

/**
 * The same with constants of `large` bytes and more apart, as ONNX's external data: they are then neither copied into
 * the file nor parsed from it, and the file stays below protobuf's 2 GB.
 */
export function encodeParts(graph: Graph, large: number): EncodedModel {
  const live = liveValues(graph);
  const apart = graph.constants.filter(({ value, data }) => live.has(value) && data.byteLength >= large);
  const w = Writer.create();
  integer(w, 1, IR_VERSION);
  string(w, 2, 'self-contrast');
  message(w, 7, (inner) => writeGraph(inner, graph, 'main', new Map(), new Set(apart)));
  message(w, 8, (opset) => {
    string(opset, 1, '');
    integer(opset, 2, OPSET);
  });
  if (usesContrib(graph)) {
    message(w, 8, (opset) => {
      string(opset, 1, CONTRIB);
      integer(opset, 2, 1);
    });
  }
  const files = apart.map((constant) => ({ path: constant.value.name, data: bytesOf(constant) }));
  return { model: w.finish(), files };
}
