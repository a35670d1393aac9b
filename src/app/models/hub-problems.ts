/** What went wrong with a hub, in the reader's terms, and the way out that the page offers. Pure. */

export interface HubProblem {
  readonly title: string;
  /** The user's own doing, and no error. */
  readonly calm?: boolean;
  readonly advice: string;
  /** Give a token, try again, go on with what is fetched, or choose another address. */
  readonly ways: readonly ('token' | 'retry' | 'resume' | 'mirror')[];
}

const KEPT = 'What was fetched is kept.';

/** @param fetching whether files were being fetched, and not only looked for */
export function hubProblem(error: unknown, fetching: boolean): HubProblem {
  const name = error instanceof Error ? error.name : '';
  const title = error instanceof Error ? error.message : String(error);
  const again = fetching ? 'resume' : 'retry';
  switch (name) {
    case 'AbortError':
      return { title: 'The download was stopped', advice: KEPT, ways: ['resume'], calm: true };
    case 'HubTokenError':
      return {
        title,
        advice: 'A token that may only read is enough.',
        ways: ['token'],
      };
    case 'HubMissingError':
      return { title, advice: 'Look at the spelling of the id and the revision.', ways: ['retry', 'mirror'] };
    case 'HubOfflineError':
      return {
        title,
        advice: `${fetching ? `${KEPT} ` : ''}Models that are stored on this device need no connection.`,
        ways: [again, 'mirror'],
      };
    case 'StorageError':
      return {
        title,
        advice: `${fetching ? `${KEPT} ` : ''}Delete models or runs that you no longer need, then go on.`,
        ways: [again],
      };
    default:
      return { title, advice: fetching ? `${KEPT} It goes on from there.` : '', ways: [again, 'mirror'] };
  }
}
