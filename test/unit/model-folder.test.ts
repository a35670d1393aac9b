/** Which files of a folder that was dropped or picked make a model. */
import { expect, test } from 'vitest';
import { modelFolder } from '../../src/app/models/folder.ts';

const folder = (...paths: string[]) =>
  modelFolder(paths.map((path) => ({ path, file: new File(['x'], path.split('/').at(-1) ?? '') })));
const paths = (of: ReturnType<typeof modelFolder>) => of.files.map(({ path }) => path).sort();

test('a model is kept without the other forms of its weights', () => {
  const found = folder(
    'Smol/config.json',
    'Smol/tokenizer.json',
    'Smol/model.safetensors',
    'Smol/pytorch_model.bin',
    'Smol/onnx/model.onnx',
    'Smol/.cache/x.json',
    'other/readme.txt',
  );
  expect(found).toMatchObject({ name: 'Smol', use: 'model', missing: [] });
  expect(paths(found)).toEqual(['config.json', 'model.safetensors', 'tokenizer.json']);
});

test('shards with an index are whole, files without a folder too', () => {
  const found = folder(
    'config.json',
    'tokenizer.json',
    'model.safetensors.index.json',
    'model-00001-of-00002.safetensors',
  );
  expect(found).toMatchObject({ name: 'my-model', use: 'model', missing: [] });
  expect(found.files).toHaveLength(4);
});

test('an embedder keeps its folders: its pooling has a config.json of its own', () => {
  const found = folder(
    'bge/1_Pooling/config.json',
    'bge/config.json',
    'bge/tokenizer.json',
    'bge/onnx/model.onnx',
    'bge/onnx/model_quantized.onnx',
  );
  expect(found).toMatchObject({ name: 'bge', use: 'embedder', missing: [] });
  expect(paths(found)).toEqual(['1_Pooling/config.json', 'config.json', 'onnx/model.onnx', 'tokenizer.json']);
});

test('what is missing is named, and an unseen character in the name is shown', () => {
  expect(folder('a\u202eb/config.json')).toMatchObject({
    name: 'a\\u202eb',
    missing: ['tokenizer.json', 'model.safetensors'],
  });
  expect(folder('notes.txt').missing).toContain('config.json');
});
