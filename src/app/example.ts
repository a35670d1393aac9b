/** The embedded data set: training prompts, and test prompts held out by question. */
import type { Dataset } from '../pipeline/types.ts';
import { callData } from './data-client.ts';

export const EXAMPLE_NAME = 'word-helper';
const FOLDER = `datasets/${EXAMPLE_NAME}/`;

export async function exampleDataset(): Promise<Dataset> {
  const read = async (file: string) => {
    const response = await fetch(new URL(FOLDER + file, document.baseURI));
    if (!response.ok) throw new Error(`${file} could not be fetched (HTTP ${response.status})`);
    return response.text();
  };
  const [train, heldOut] = await Promise.all([read('train.jsonl'), read('test.jsonl')]);
  return callData((api) => api.readTexts(EXAMPLE_NAME, train, heldOut));
}
