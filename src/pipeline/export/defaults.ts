/** How benchmark files are answered unless the user says otherwise. */
import type { AnswerOptions } from '../worker-api.ts';

/** As FastChat's and AlpacaEval's own scripts have it, except that answers are greedy. */
export const DEFAULT_ANSWERS: AnswerOptions = { arm: 'selfContrast', temperature: 0, maxTokens: 1024 };
