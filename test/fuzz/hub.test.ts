/** What a hub answers, and what names of models and files of embedders say. */
import fc from 'fast-check';
import { HubError } from '../../src/hub/errors.ts';
import { parseListing, shardsOf, wantedFiles } from '../../src/hub/files.ts';
import { fileAddress, isHubName, parseHubName } from '../../src/hub/name.ts';
import { wholeFiles } from '../../src/model/files.ts';
import { readPooling } from '../../src/model/pooling.ts';
import { InputError } from '../../src/model/text.ts';
import { fuzz } from './fuzz.ts';
import { encode, jsonLike } from './inputs.ts';

const LISTING = JSON.stringify({
  id: 'owner/name',
  sha: 'a'.repeat(40),
  siblings: [
    { rfilename: 'config.json', size: 10, blobId: 'b'.repeat(40) },
    { rfilename: 'tokenizer.json', size: 10, blobId: 'c'.repeat(40) },
    { rfilename: 'model.safetensors', size: 10, lfs: { sha256: 'd'.repeat(64), size: 10, pointerSize: 1 } },
  ],
});

/** The parsed value; what is not JSON is the reader's, not the parser's. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

fuzz('lists of files', {
  inputs: jsonLike(LISTING),
  read: (text) => {
    const { files } = parseListing('owner/name', parsed(text));
    for (const use of ['model', 'embedder'] as const) {
      for (const { path } of wantedFiles('owner/name', use, files)) {
        if (!/^[\w./]+$/.test(path)) throw new Error(`the file ${path} is wanted`);
      }
    }
  },
  errors: [HubError],
  examples: ['null', '{"sha": 5}', LISTING.replace('"size":10', '"size":-1'), LISTING.replace('10', '1e300')],
});

fuzz('indices of shards', {
  inputs: jsonLike('{"metadata": {}, "weight_map": {"a": "model-00001-of-00002.safetensors"}}'),
  read: (text) => {
    for (const path of shardsOf('owner/name', parsed(text))) {
      if (path.includes('/') || path.startsWith('.')) throw new Error(`the shard ${path} is wanted`);
    }
  },
  errors: [InputError],
  examples: ['{"weight_map": {"a": "../x.safetensors"}}', '{"weight_map": {"a": "/etc/x.safetensors"}}'],
});

fuzz('names of models', {
  inputs: fc.oneof(
    fc.string(),
    fc.stringMatching(/^[a-z.-]{1,5}\/[a-z.-]{1,5}@[a-z./-]{1,5}$/),
    fc.string({ unit: fc.constantFrom('a', '/', '.', '@', '-', '%', '\\', '?', '#') }),
  ),
  read: (text) => {
    const name = parseHubName(text);
    if (!isHubName(text)) throw new Error('it is read, but said to be no name');
    const { origin, pathname, search, hash } = new URL(
      fileAddress('https://hub.example/mirror/', name, 'x y'),
    );
    const inside = pathname.startsWith('/mirror/') && pathname.endsWith('/x%20y');
    if (origin !== 'https://hub.example' || !inside || search !== '' || hash !== '') {
      throw new Error(`the address of ${text} is elsewhere: ${pathname}`);
    }
  },
  errors: [InputError],
  examples: ['../..', 'a/..', 'a/b@../../x', 'a/b@%2e%2e', 'a/b@v1/../..', './x', 'a/.'],
});

fuzz('files that say how an embedder pools', {
  inputs: fc.tuple(
    jsonLike('{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}'),
    jsonLike('[{"idx": 0, "type": "sentence_transformers.models.Transformer", "path": ""}]'),
  ),
  read: ([config, modules]) =>
    readPooling(
      wholeFiles('e', async (path) => {
        if (path === 'modules.json') return encode(modules);
        return path === '1_Pooling/config.json' ? encode(config) : null;
      }),
    ),
  errors: [InputError],
});
