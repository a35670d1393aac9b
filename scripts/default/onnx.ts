/** Just enough of the ONNX protobuf schema to write a small constant graph. */
import protobuf from 'protobufjs/minimal.js';

const { Writer } = protobuf;
type Writer = protobuf.Writer;

export const dataTypes = { float: 1, int8: 3, int64: 7 } as const;
export type DataType = keyof typeof dataTypes;

export interface Tensor {
  readonly name: string;
  readonly type: DataType;
  readonly dims: readonly number[];
  /** Little-endian values. */
  readonly bytes: Uint8Array;
}

export interface Node {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly output: string;
  /** Integer attributes. */
  readonly ints?: Readonly<Record<string, number>>;
}

export interface Value {
  readonly name: string;
  readonly type: DataType;
  readonly dims: readonly (number | string)[];
}

export interface Graph {
  readonly name: string;
  readonly nodes: readonly Node[];
  readonly initializers: readonly Tensor[];
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
}

const bytesField = (field: number) => field * 8 + 2;
const varintField = (field: number) => field * 8;

function message(writer: Writer, field: number, fill: (inner: Writer) => void): void {
  writer.uint32(bytesField(field)).fork();
  fill(writer);
  writer.ldelim();
}

export function encodeModel(graph: Graph, opset = 17, producer = 'self-contrast'): Uint8Array {
  const writer = Writer.create();
  writer.uint32(varintField(1)).int64(8);
  writer.uint32(bytesField(2)).string(producer);
  message(writer, 7, (w) => writeGraph(w, graph));
  message(writer, 8, (w) => {
    w.uint32(bytesField(1)).string('');
    w.uint32(varintField(2)).int64(opset);
  });
  return writer.finish();
}

function writeGraph(writer: Writer, graph: Graph): void {
  for (const node of graph.nodes) message(writer, 1, (w) => writeNode(w, node));
  writer.uint32(bytesField(2)).string(graph.name);
  for (const tensor of graph.initializers) message(writer, 5, (w) => writeTensor(w, tensor));
  for (const value of graph.inputs) message(writer, 11, (w) => writeValue(w, value));
  for (const value of graph.outputs) message(writer, 12, (w) => writeValue(w, value));
}

function writeNode(writer: Writer, node: Node): void {
  for (const input of node.inputs) writer.uint32(bytesField(1)).string(input);
  writer.uint32(bytesField(2)).string(node.output);
  writer.uint32(bytesField(3)).string(node.output);
  writer.uint32(bytesField(4)).string(node.op);
  for (const [name, value] of Object.entries(node.ints ?? {})) {
    message(writer, 5, (w) => {
      w.uint32(bytesField(1)).string(name);
      w.uint32(varintField(3)).int64(value);
      w.uint32(varintField(20)).int32(2);
    });
  }
}

function writeTensor(writer: Writer, tensor: Tensor): void {
  for (const dim of tensor.dims) writer.uint32(varintField(1)).int64(dim);
  writer.uint32(varintField(2)).int32(dataTypes[tensor.type]);
  writer.uint32(bytesField(8)).string(tensor.name);
  writer.uint32(bytesField(9)).bytes(tensor.bytes);
}

function writeValue(writer: Writer, value: Value): void {
  writer.uint32(bytesField(1)).string(value.name);
  message(writer, 2, (type) =>
    message(type, 1, (tensor) => {
      tensor.uint32(varintField(1)).int32(dataTypes[value.type]);
      message(tensor, 2, (shape) => {
        for (const dim of value.dims) {
          message(shape, 1, (w) => {
            if (typeof dim === 'number') w.uint32(varintField(1)).int64(dim);
            else w.uint32(bytesField(2)).string(dim);
          });
        }
      });
    }),
  );
}
