/** The filter's rule, applied to what the page holds, so that the handle's effect is seen while it moves. Pure. */
import type { RunConfig } from '../pipeline/config.ts';
import { poolOf } from '../pipeline/filter.ts';
import type { PairRecord, PromptResponses } from '../pipeline/types.ts';
import type { AnswerRow } from './components/Answers.tsx';
import type { RunView } from './state.ts';

type FilterConfig = RunConfig['filter'];
