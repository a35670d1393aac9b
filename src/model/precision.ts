/** How the frozen base weights are kept on the device. What is trained is float32 always. */

/** float32; float16; blocks of 8 or 4 bits with a scale each. */
export const PRECISIONS = ['f32', 'f16', 'q8', 'q4'] as const;
export type Precision = (typeof PRECISIONS)[number];

/** In which a device keeps weights: float32 where it has no float16 of its own (a GPU without shader-f16). */
export const keptAs = (precision: Precision, float16: boolean): Precision =>
  precision === 'f16' && !float16 ? 'f32' : precision;
