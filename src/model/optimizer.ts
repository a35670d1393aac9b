/** AdamW with decoupled weight decay (arXiv 1711.05101), as a graph over one flat parameter vector. */
import { Graph } from '../graph/index.ts';

export interface AdamW {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
}

/**
 * parameters, m, v, gradient [n], rates [4] (see `adamWRates`) and decayed [n] (1 where weight decay
 * applies, 0 for norms) -> the first three, updated.
 */
export function adamWGraph(size: number, { beta1, beta2, epsilon }: AdamW): Graph {
  const g = new Graph();
  const theta = g.input('parameters', 'float32', [size]);
  const m = g.input('m', 'float32', [size]);
  const v = g.input('v', 'float32', [size]);
  const raw = g.input('gradient', 'float32', [size]);
  const rates = g.input('rates', 'float32', [4]);
  const decayed = g.input('decayed', 'float32', [size]);
  const [rate, correction, scale, decay] = g.split(rates, 0, [1, 1, 1, 1]);
  if (!rate || !correction || !scale || !decay) throw new Error('internal: four rates');
  const gradient = g.mul(raw, scale);
  const m2 = g.add(g.mul(m, beta1), g.mul(gradient, 1 - beta1));
  const v2 = g.add(g.mul(v, beta2), g.mul(g.mul(gradient, gradient), 1 - beta2));
  const kept = g.mul(theta, g.sub(1, g.mul(decayed, decay)));
  const denominator = g.add(g.mul(g.sqrt(v2), correction), epsilon);
  g.output('parameters_out', g.sub(kept, g.div(g.mul(m2, rate), denominator)));
  g.output('m_out', m2);
  g.output('v_out', v2);
  return g;
}

/**
 * The numbers a step hands to `adamWGraph` as 'rates'.
 *
 * @param step counts from 1
 * @param scale of the gradient (clipping)
 */
export function adamWRates(o: AdamW, learningRate: number, step: number, scale: number): Float32Array {
  return Float32Array.of(
    learningRate / (1 - o.beta1 ** step),
    1 / Math.sqrt(1 - o.beta2 ** step),
    scale,
    learningRate * o.weightDecay,
  );
}

/** gradient [n] -> its sum of squares [1]. */
export function squaredNormGraph(size: number): Graph {
  const g = new Graph();
  const x = g.input('gradient', 'float32', [size]);
  g.output('sum', g.reduceSum(g.mul(x, x), [0]));
  return g;
}
