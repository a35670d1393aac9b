/** All benchmarks there are, in the table's order. */
import { checkpointRow } from './checkpoint.ts';
import { countRows } from './counts.ts';
import { samplingRow, trainingRow } from './default-model.ts';
import { demoRows } from './demo.ts';
import { dpoRows } from './dpo.ts';
import { embeddingRows } from './embedding.ts';
import { fitRows } from './fit.ts';
import { generateRows } from './generate.ts';
import { gpuRows } from './gpu.ts';
import { importRow } from './import.ts';
import { memoryRows } from './memory.ts';
import { overlapRows } from './overlap.ts';
import { pageRows } from './page.ts';
import { precisionRows } from './precision.ts';
import type { Bench } from './row.ts';
import { scaleRows } from './scale.ts';
import { soakRows } from './soak.ts';
import { stepRows } from './step.ts';

export const BENCHES: readonly Bench[] = [
  { name: 'sampling', about: 'answers of the embedded model', rows: async () => [await samplingRow()] },
  {
    name: 'generate',
    about: 'sampling against transformers.js; words: real, 15M, prefill, continuous',
    rows: ({ words }) => generateRows(words),
  },
  {
    name: 'training',
    about: 'a step of the embedded model against its bare products',
    rows: async () => [await trainingRow()],
  },
  { name: 'dpo', about: 'a group of 1 + k answers against k pairs', rows: () => dpoRows() },
  { name: 'step', about: 'a LoRA step against its bare products, and PyTorch', rows: () => stepRows() },
  { name: 'embedding', about: 'answers in vectors, against transformers.js', rows: () => embeddingRows() },
  { name: 'overlap', about: 'embedding while sampling goes on', rows: () => overlapRows() },
  { name: 'page', about: 'the built page: its scripts, and how soon it can be used', rows: () => pageRows() },
  {
    name: 'checkpoint',
    about: "checkpoints' share of training",
    onlyByName: true,
    rows: async () => [await checkpointRow()],
  },
  {
    name: 'import',
    about: '100,000 rows through the page',
    onlyByName: true,
    rows: async () => [await importRow()],
  },
  {
    name: 'precision',
    about: 'training on bases of fewer bits',
    onlyByName: true,
    rows: () => precisionRows(),
  },
  {
    name: 'memory',
    about: 'estimate against peak; words: embedded, stories, smol, smol-q8, group',
    onlyByName: true,
    rows: ({ words }) => memoryRows(words),
  },
  { name: 'fit', about: 'what published models need', onlyByName: true, rows: async () => fitRows() },
  { name: 'counts', about: 'what decoding and training ask of a GPU', rows: () => countRows() },
  { name: 'gpu', about: 'sampling and training on a GPU', rows: ({ tiny }) => gpuRows(tiny) },
  {
    name: 'scale',
    about: 'cost as a run grows; words: prompts, k, length, size',
    onlyByName: true,
    rows: scaleRows,
  },
  {
    name: 'soak',
    about: 'whole runs for an hour (--minutes N), memory watched; word: webgpu',
    onlyByName: true,
    rows: soakRows,
  },
  { name: 'demo', about: 'the main job, by the clock and against plain work', rows: demoRows },
];
