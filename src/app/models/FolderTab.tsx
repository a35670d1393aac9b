import type { HubUse } from '../../hub/api.ts';
import { pickModel } from '../actions.ts';
import { busy } from '../signals.ts';

const WORDS: Readonly<Record<HubUse, string>> = {
  model:
    'A folder in Hugging Face layout: config.json, tokenizer.json and model.safetensors, or its shards with their index.',
  embedder:
    'A folder that transformers.js reads: config.json, tokenizer.json and onnx/model.onnx; 1_Pooling/config.json says how vectors are made.',
  reward:
    'A folder that transformers.js reads: config.json (of a ...ForSequenceClassification with one label or two), tokenizer.json and onnx/model.onnx.',
};

export function FolderTab({ use }: { use: HubUse }) {
  return (
    <div class="stack">
      <p>{WORDS[use]} It can also be dropped anywhere on the page.</p>
      <div class="row">
        <button type="button" class="button" disabled={busy.value} onClick={() => void pickModel()}>
          Choose a folder
        </button>
        <span class="small muted">
          It is copied into this browser’s storage, to work without the folder, and goes nowhere else.
        </span>
      </div>
    </div>
  );
}
