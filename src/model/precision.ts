/** How the frozen base weights are kept on the device. What is trained is float32 always. */

/** float32; float16; blocks of 8 or 4 bits with a scale each. */
export const PRECISIONS = ['f32', 'f16', 'q8', 'q4'] as const;
export type Precision = (typeof PRECISIONS)[number];
