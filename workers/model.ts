/** Comlink entry point of the model worker. */
import * as Comlink from 'comlink';
import packageJson from '../package.json' with { type: 'json' };
import { holdLife } from '../src/service/life.ts';
import { createModelService } from '../src/service/model-service.ts';
import { pageBase } from './base.ts';

const { dependencies, version } = packageJson;
const held = holdLife(self.name);
Comlink.expose({
  alive: () => held,
  ...createModelService(pageBase, {
    'self-contrast': version,
    'onnxruntime-web': dependencies['onnxruntime-web'],
    '@huggingface/transformers': dependencies['@huggingface/transformers'],
  }),
});
