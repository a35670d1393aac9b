/** The embedded data set: training prompts, and test prompts held out by question. */
import type { DefaultLabData } from '../lab/default-data.ts';
import type { Dataset } from '../pipeline/types.ts';
import { callData } from './data-client.ts';

export const EXAMPLE_NAME = 'word-helper';
const FOLDER = `datasets/${EXAMPLE_NAME}/`;

export async function exampleDataset(): Promise<Dataset> {
  const [train, heldOut] = await Promise.all([read('train.jsonl'), read('test.jsonl')]);
  return callData((api) => api.readTexts(EXAMPLE_NAME, train, heldOut));
}

/** The same as a lab takes it, and what another model answers to it. */
export async function exampleLabData(): Promise<DefaultLabData> {
  const [train, test, final, others] = await Promise.all([
    read('train.jsonl'),
    read('test.jsonl'),
    read('final.jsonl'),
    read('others.jsonl'),
  ]);
  return callData((api) => api.readLabTexts(EXAMPLE_NAME, { train, test, final, others }));
}

async function read(file: string): Promise<string> {
  const response = await fetch(new URL(FOLDER + file, document.baseURI));
  if (!response.ok) throw new Error(`${file} could not be fetched (HTTP ${response.status})`);
  return response.text();
}
