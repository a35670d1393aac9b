/** Which files of a folder that was dropped or picked make a model. */
import { expect, test } from 'vitest';
import { type ModelFolder, modelFolder } from '../../src/app/models/folder.ts';

const file = (path: string, text = 'x') => ({ path, file: new File([text], path.split('/').at(-1) ?? '') });
const folder = (...paths: string[]) => modelFolder(paths.map((path) => file(path)));
const paths = (of: ModelFolder) => of.files.map(({ path }) => path).sort();

test('a model is kept without the other forms of its weights', async () => {
  const found = await folder(
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

const INDEX = 'model.safetensors.index.json';
const indexOf = (...shards: string[]) =>
  file(INDEX, JSON.stringify({ weight_map: Object.fromEntries(shards.map((path, i) => [`w${i}`, path])) }));

test('the shards that the index names are kept whatever they are called, and those not there are missing', async () => {
  const plain = ['config.json', 'tokenizer.json', 'part_a.safetensors', 'adapter.safetensors'];
  const found = await modelFolder([
    ...plain.map((path) => file(path)),
    indexOf('part_a.safetensors', 'part_b.safetensors', 'part_a.safetensors'),
  ]);
  expect(found).toMatchObject({ name: 'my-model', use: 'model', missing: ['part_b.safetensors'] });
  expect(paths(found)).toEqual(['config.json', INDEX, 'part_a.safetensors', 'tokenizer.json']);
});

test('of both forms of the weights the one file is kept', async () => {
  const one = ['m/config.json', 'm/tokenizer.json', 'm/model.safetensors', 'm/model-1-of-1.safetensors'];
  const found = await folder(...one, `m/${INDEX}`);
  expect(found.missing).toEqual([]);
  expect(paths(found)).toEqual(['config.json', 'model.safetensors', 'tokenizer.json']);
});

test('a broken index is told of', async () => {
  await expect(folder('config.json', INDEX)).rejects.toThrow(`${INDEX} is not valid JSON`);
  await expect(modelFolder([file('config.json'), indexOf('../x.safetensors')])).rejects.toThrow(
    'which is no .safetensors file of the model',
  );
});

test('an embedder keeps its folders: its pooling has a config.json of its own', async () => {
  const found = await folder(
    'bge/1_Pooling/config.json',
    'bge/config.json',
    'bge/tokenizer.json',
    'bge/onnx/model.onnx',
    'bge/onnx/model_quantized.onnx',
  );
  expect(found).toMatchObject({ name: 'bge', use: 'embedder', missing: [] });
  expect(paths(found)).toEqual(['1_Pooling/config.json', 'config.json', 'onnx/model.onnx', 'tokenizer.json']);
});

test('a classifier of sequences is a reward model; its other files are an embedder’s', async () => {
  const folderOf = (config: string) =>
    modelFolder([file('rm/config.json', config), file('rm/tokenizer.json'), file('rm/onnx/model.onnx')]);
  const reward = await folderOf('{"architectures": ["Qwen3ForSequenceClassification"]}');
  expect(reward).toMatchObject({ name: 'rm', use: 'reward', missing: [] });
  expect(paths(reward)).toEqual(['config.json', 'onnx/model.onnx', 'tokenizer.json']);
  for (const config of ['{"architectures": ["BertModel"]}', '{}', 'no JSON'])
    expect((await folderOf(config)).use).toBe('embedder');
});

test('what is missing is named, and an unseen character in the name is shown', async () => {
  expect(await folder('a\u202eb/config.json')).toMatchObject({
    name: 'a\\u202eb',
    missing: ['tokenizer.json', 'model.safetensors'],
  });
  expect((await folder('notes.txt')).missing).toContain('config.json');
});
