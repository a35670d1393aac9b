/** Errors in the reader's terms: what happened, what is safe, what to do. Pure. */
import type { RunError } from '../pipeline/types.ts';
import type { Problem, ProblemAction } from './signals.ts';
import { STAGE_NAME } from './stagetext.ts';

const STORED = 'Everything finished before is stored on this device.';

export function problemOfRun(error: RunError): Problem {
  const { stage, code, message, reasons = [] } = error;
  // Where reasons are listed by themselves, the message need not end with the first of them.
  const plain = reasons.reduce((text, reason) => text.replace(reason, ''), message).trim();
  const [first = plain, ...rest] = reasons.length === 0 ? [message] : plain.split(/(?<=\.) /);
  return {
    title: `${STAGE_NAME[stage]} stopped: ${first}`,
    safe: [...rest, STORED].join(' '),
    advice: adviceOfRun(error),
    details: [`stage ${stage}, code ${code}`, message, error.details].filter(Boolean).join('\n'),
    reasons,
    action: offered(error),
  };
}

function offered({ code, offer, stage }: RunError): ProblemAction {
  if (code === 'FitError') return 'fit';
  if (offer === 'lower-rate') return stage === 'dpo' ? 'lower-dpo' : 'lower-sft';
  return offer ?? 'resume';
}

/** What is advised where the message itself says no more than what happened. */
function adviceOfRun(error: RunError): string {
  if (error.code === 'FitError') return ''; // the message has the nearest settings
  if (error.offer === 'wasm')
    return 'WebAssembly computes on the processor: slower, and the same everywhere.';
  if (error.offer === 'lower-rate')
    return 'Training goes on from the last stored step; the stages before it stay as they are.';
  const advice = adviceFor(`${error.code} ${error.message}`);
  if (advice !== '') return advice;
  return error.code === 'DataError' || error.code === 'ModelError'
    ? 'Change the data, the model or the setting that it names, then press Resume.'
    : 'Press Resume to try from the last stored step.';
}

/** Any thrown thing; `what` says what was being done, e.g. "The data set could not be read". */
export function problemOf(what: string, error: unknown, safe = ''): Problem {
  const message = error instanceof Error ? error.message : String(error);
  const details = error instanceof Error ? (error.stack ?? `${error.name}: ${error.message}`) : String(error);
  const firstLine = message.split('\n')[0] ?? '';
  const title = firstLine === '' ? what : `${what}: ${firstLine}`;
  return { title, safe, advice: adviceFor(message), details };
}

/** The page's storage could not be opened, so there are no runs to show. */
export function storageProblem(error: unknown): Problem {
  const held = error instanceof Error && /another tab/i.test(error.message);
  return {
    ...problemOf(
      held ? 'The stored runs can’t be opened yet' : 'This browser does not let the page store anything',
      error,
      held ? 'Nothing stored was changed.' : '',
    ),
    advice: held
      ? 'Close the other tabs of this page, then reload.'
      : 'Leave private browsing or allow storage for this page, then reload.',
    action: 'reload',
  };
}

export function crashProblem(error: unknown): Problem {
  return {
    ...problemOf('The worker that runs the model ended unexpectedly', error, STORED),
    advice:
      adviceFor(error instanceof Error ? error.message : '') ||
      'This is most often a lack of memory. Close other tabs, lower “answers a prompt” or the batch, then press Resume.',
    action: 'resume',
  };
}

function adviceFor(message: string): string {
  if (/could not be started/i.test(message)) {
    return 'Reload the page and press Resume. If it happens again, the server does not deliver all files of this page.';
  }
  if (/quota|QuotaExceeded/i.test(message)) {
    return 'The browser has no more room for this page. Delete runs you no longer need in the run menu, then press Resume.';
  }
  if (/out of memory|OOM|allocation|buffer size/i.test(message)) {
    return 'The device ran out of memory. Lower the batch or the answers a prompt, or choose WebAssembly, then press Resume.';
  }
  if (/device (was )?lost|GPUDevice|webgpu/i.test(message)) {
    return 'The graphics device was lost or refused. Press Resume, or choose WebAssembly in the header.';
  }
  if (/no usable row|has no rows|there are no rows|not UTF-8/i.test(message)) {
    return 'Each row needs a prompt, and a target answer to train on. Many forms are known, e.g. JSON Lines with {"prompt": "…", "target": "…"}, CSV or Parquet with such columns.';
  }
  if (/fetch|network|404|HTTP/i.test(message)) {
    return 'A file could not be read. Check the connection to the server of this page, then press Resume.';
  }
  return '';
}
