/** Which small open models fit a tab, by precision and backend: the estimate alone, no weights. */
import { parseModelConfig } from '../../src/model/config.ts';
import { type Backend, HEAP_LIMIT } from '../../src/model/fit.ts';
import { PRECISIONS } from '../../src/model/precision.ts';
import { parseConfig } from '../../src/pipeline/config.ts';
import { plan } from '../../src/pipeline/fit.ts';
import { SHAPES, type ShapeName } from '../lib/shapes.ts';
import type { Row } from './row.ts';

/** As an adapter of desktop machines has them at least. */
const GPU_BUFFER = 2 ** 31;
const BACKENDS: readonly Backend[] = ['wasm', 'webgpu'];

/** Groups of 1 + 8 answers of 256 tokens, 128 of prompt, LoRA of rank 8 on all projections. */
export function fitRows(): Row[] {
  const config = { sample: { maxTokens: 256 }, dpo: { negatives: 8 } };
  const rows: Row[] = [];
  for (const name of Object.keys(SHAPES) as ShapeName[]) {
    const model = parseModelConfig(SHAPES[name]);
    for (const backend of BACKENDS) {
      for (const precision of PRECISIONS) {
        const run = parseConfig({ ...config, precision });
        const fit = plan(model, run, { promptTokens: 128, targetTokens: 256 }, limits(backend));
        const { need, memory } = fit;
        const place = backend === 'wasm' ? need.heap : need.gpu;
        const trade = `${memory.keep ? 'kept' : 'again'}, ${memory.rows} rows, ${memory.sampleRows} answers`;
        const gb = (bytes: number) => (bytes / 1e9).toFixed(2);
        rows.push({
          name: `${name}, ${backend}, ${precision}`,
          value: `${gb(need.peak)} GB, ${fit.fits ? 'fits' : 'does not fit'}`,
          peer: `${gb(place)} GB of it ${backend === 'wasm' ? 'WebAssembly' : 'GPU'}; ${trade}`,
        });
      }
    }
  }
  return rows;
}

const limits = (backend: Backend) => ({
  backend,
  float16: true,
  heap: HEAP_LIMIT,
  maxBuffer: backend === 'webgpu' ? GPU_BUFFER : null,
  storageLeft: null,
  deviceMemory: null,
});
