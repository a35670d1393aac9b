/**
 * Models that people ask for, with the parameters that their published configs come to. The list only spares typing:
 * what is to be fetched is asked of the hub.
 */
import type { HubUse } from '../../hub/api.ts';

export interface Suggested {
  readonly id: string;
  readonly words: string;
  readonly licence: string;
  /** The licence has to be accepted on the hub, so that a token is needed. */
  readonly gated?: boolean;
}

export const SUGGESTED: Readonly<Record<HubUse, readonly Suggested[]>> = {
  model: [
    {
      id: 'HuggingFaceTB/SmolLM2-135M-Instruct',
      words: 'About 135 M parameters, English. The place to begin.',
      licence: 'Apache 2.0',
    },
    {
      id: 'HuggingFaceTB/SmolLM2-360M-Instruct',
      words: 'About 360 M parameters, English.',
      licence: 'Apache 2.0',
    },
    {
      id: 'google/gemma-3-270m-it',
      words: 'About 270 M parameters, most of them its vocabulary of many languages.',
      licence: 'Gemma terms of use',
      gated: true,
    },
    {
      id: 'Qwen/Qwen2.5-0.5B-Instruct',
      words: 'About 490 M parameters, many languages.',
      licence: 'Apache 2.0',
    },
    {
      id: 'Qwen/Qwen3-0.6B',
      words: 'About 600 M parameters, many languages; thinks before it answers unless told not to.',
      licence: 'Apache 2.0',
    },
    {
      id: 'meta-llama/Llama-3.2-1B-Instruct',
      words: 'About 1.2 B parameters, eight languages.',
      licence: 'Llama 3.2 community licence',
      gated: true,
    },
  ],
  embedder: [
    {
      id: 'Xenova/all-MiniLM-L6-v2',
      words: 'About 22 M parameters, English; quick.',
      licence: 'Apache 2.0',
    },
    {
      id: 'Xenova/bge-small-en-v1.5',
      words: 'About 33 M parameters, English.',
      licence: 'MIT',
    },
    {
      id: 'WhereIsAI/UAE-Large-V1',
      words: 'About 335 M parameters, English; the one of the Self-Contrast paper, and slow.',
      licence: 'MIT',
    },
  ],
  reward: [],
};
