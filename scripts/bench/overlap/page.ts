/** The page behind `npm run bench -- --only overlap`: sampling and filtering of the example, with the embedder's worker. */
import { openDevice } from '../../../src/engine/backend.ts';
import { loadLanguageModel } from '../../../src/engine/language-model.ts';
import { parseConfig } from '../../../src/pipeline/config.ts';
import { readDataset } from '../../../src/pipeline/dataset.ts';
import { runPipeline } from '../../../src/pipeline/run.ts';
import { startEmbedder } from '../../../src/service/embedder-client.ts';
import { urlFolder } from '../../../src/service/url-folder.ts';
import { openStorage } from '../../../src/storage/index.ts';
import { median } from '../measure.ts';

export interface OverlapFigures {
  /** Median seconds of sampling and filtering together. */
  readonly beside: number;
  readonly after: number;
  /** Median of the rounds' after / beside. */
  readonly ratio: number;
  /** Median seconds of the filter alone. */
  readonly filterBeside: number;
  readonly filterAfter: number;
  readonly answers: number;
}

declare global {
  interface Window {
    overlapBench: (prompts: number, rounds: number) => Promise<OverlapFigures>;
  }
}

async function measure(prompts: number, rounds: number): Promise<OverlapFigures> {
  const config = parseConfig({
    backend: 'wasm',
    data: { limit: prompts, heldOut: 0 },
    sft: { epochs: 0 },
  });
  const storage = await openStorage();
  const rows = await (await fetch('/datasets/word-helper/train.jsonl')).text();
  const dataset = await readDataset('word-helper', rows);
  const datasetId = (await storage.data.save(dataset)).id;
  const folder = urlFolder(new URL('/models/default-lm/', location.href).href, 'default-lm');
  const model = await loadLanguageModel(await openDevice({ backend: 'wasm', wasmPath: '/ort/' }), folder);

  const once = async (overlap: boolean): Promise<{ readonly sample: number; readonly filter: number }> => {
    const { id } = await storage.createRun({ name: `overlap ${overlap}`, config, datasetId });
    const store = storage.run(id);
    let embedder: ReturnType<typeof startEmbedder> | undefined;
    await runPipeline(
      {
        ...{ config, model, store, overlap },
        embedder: () => {
          embedder ??= startEmbedder(config);
          return embedder;
        },
        emit: () => {},
        signal: new AbortController().signal,
        now: () => performance.now(),
      },
      'filter',
    );
    (await embedder)?.close();
    const { sample = 0, filter = 0 } = (await store.manifest()).seconds;
    return { sample, filter };
  };
  await once(true);
  await once(false);
  const both: {
    readonly beside: { sample: number; filter: number };
    readonly after: { sample: number; filter: number };
  }[] = [];
  for (let i = 0; i < rounds; i++) both.push({ beside: await once(true), after: await once(false) });
  const whole = ({ sample, filter }: { sample: number; filter: number }) => sample + filter;
  return {
    beside: median(both.map(({ beside }) => whole(beside))),
    after: median(both.map(({ after }) => whole(after))),
    ratio: median(both.map(({ beside, after }) => whole(after) / whole(beside))),
    filterBeside: median(both.map(({ beside }) => beside.filter)),
    filterAfter: median(both.map(({ after }) => after.filter)),
    answers: prompts * config.sample.n,
  };
}

window.overlapBench = measure;
