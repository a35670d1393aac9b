export { encodeModel, encodeParts } from './encode.ts';
export { backward } from './gradients.ts';
export { Graph } from './graph.ts';
export { savedValues } from './partition.ts';
export { print } from './print.ts';
export { sizeOf, staticShape } from './shapes.ts';
export type { DType, Quantised, Shape, TensorData, TensorType, Value } from './types.ts';
export { dtypeOf, ShapeError } from './types.ts';
