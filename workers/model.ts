/** Comlink entry point of the model worker. */
import * as Comlink from 'comlink';
import packageJson from '../package.json' with { type: 'json' };
import { createModelService } from '../src/service/model-service.ts';
import { pageBase } from './base.ts';

const { dependencies, version } = packageJson;
Comlink.expose(
  createModelService(pageBase, {
    'self-contrast': version,
    'onnxruntime-web': dependencies['onnxruntime-web'],
    '@huggingface/transformers': dependencies['@huggingface/transformers'],
  }),
);
