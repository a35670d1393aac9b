/** The merged model as transformers.js loads it: an ONNX graph with a key-value cache, config and tokenizer. */
import { encodeModel } from '../../graph/index.ts';
import { decoderGraph } from '../../model/decoder-graph.ts';
import { merger } from '../../model/merge.ts';
import { elements, modelWeights } from '../../model/parameters.ts';
import { openWeights } from '../../model/weights.ts';
import type { ExportFile } from '../worker-api.ts';
import { modelFiles, parseObject, withDtype } from './model-files.ts';
import { jsonFile } from './rows.ts';
import { ExportError, type ExportRun } from './types.ts';

/** A protobuf message, and so an ONNX file without others beside it, can't be larger. */
const MOST_BYTES = 2 ** 31 - 1;

export async function* exportOnnx(run: ExportRun): AsyncGenerator<ExportFile> {
  const { model, signal } = run;
  const shapes = modelWeights(model.config);
  const bytes = 4 * shapes.reduce((sum, { shape }) => sum + elements(shape), 0);
  if (bytes > 0.98 * MOST_BYTES) {
    throw new ExportError(
      `The model's ${(bytes / 1e9).toFixed(1)} GB of weights are more than one ONNX file can hold (2 GB). ` +
        'Export the merged model and convert it with Optimum.',
    );
  }
  const reader = await openWeights(model.config, model.files);
  const merge = merger(run.modules);
  const weights = new Map<string, Float32Array>();
  for (const { names } of reader.files) {
    for (const name of names) {
      signal.throwIfAborted();
      weights.set(name, merge(name, (await reader.read(name, signal)).data));
      run.onProgress(weights.size / shapes.length);
    }
  }
  const graph = decoderGraph(model.config, (name) => {
    const weight = weights.get(name);
    if (!weight) throw new Error(`internal: no weight ${name}`);
    // The graph has its own copy or is the only one to use it.
    weights.delete(name);
    return weight;
  });
  yield { path: 'onnx/onnx/model.onnx', bytes: encodeModel(graph) };
  const files = await modelFiles(model.files);
  for (const { path, bytes: own } of files) {
    yield { path: `onnx/${path}`, bytes: path === 'config.json' ? withDtype(own, 'F32') : own };
  }
  if (!files.some(({ path }) => path === 'generation_config.json')) {
    yield { path: 'onnx/generation_config.json', bytes: jsonFile(generation(files)) };
  }
}

/** The special tokens of config.json, where the model has no generation_config.json. */
function generation(files: readonly ExportFile[]): Record<string, unknown> {
  const file = files.find(({ path }) => path === 'config.json');
  const config = file ? parseObject(file.bytes) : {};
  const keys = ['bos_token_id', 'eos_token_id', 'pad_token_id'];
  return Object.fromEntries(keys.flatMap((key) => (key in config ? [[key, config[key]]] : [])));
}
