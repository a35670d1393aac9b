import { similarity } from '../format.ts';
import type { ShownResponse } from '../state.ts';
import { Icon } from './Icon.tsx';

export type Fate = 'kept' | 'left out' | 'undecided';

export interface AnswerRow {
  /** Which of the prompt's responses. */
  readonly index: number;
  readonly response: ShownResponse;
  readonly fate: Fate;
  /** Chosen as a negative in a pair. */
  readonly paired: boolean;
}

interface AnswersProps {
  readonly target: string;
  readonly rows: readonly AnswerRow[];
  readonly tall?: boolean;
  /** Marks or unmarks an answer as a false negative by hand. */
  readonly onMark?: (index: number) => void;
}

/** One prompt's answers below its target; fate is told by mark and word, never by colour alone. */
export function Answers({ target, rows, tall, onMark }: AnswersProps) {
  return (
    <div class={tall ? 'answers tall' : 'answers'}>
      <div class="answer">
        <span class="mark good">
          <Icon name="target" /> target
        </span>
        <span class="num muted">1.00</span>
        <span class="text">{target}</span>
      </div>
      {rows.map(({ index, response, fate, paired }) => (
        <div class={fate === 'left out' ? 'answer out' : 'answer'} key={index}>
          <FateMark fate={fate} paired={paired} byHand={response.excluded === true} />
          <span class="num muted">{similarity(response.similarity)}</span>
          <span class="text">
            {response.text === '' ? <span class="muted">(empty)</span> : <bdi>{response.text}</bdi>}
            {!response.stopped && (
              <span class="muted small" data-tip="Ended by the limit of tokens, not by the model.">
                {' '}
                (cut off)
              </span>
            )}
          </span>
          {onMark !== undefined && (fate === 'kept' || response.excluded === true) && (
            <button type="button" class="link small" onClick={() => onMark(index)}>
              {response.excluded === true ? 'Take back' : 'Mark as right'}
            </button>
          )}
        </div>
      ))}
    </div>
  );
}

function FateMark({ fate, paired, byHand }: { fate: Fate; paired: boolean; byHand: boolean }) {
  if (byHand) {
    return (
      <span class="mark good">
        <Icon name="check" /> right, by you
      </span>
    );
  }
  if (fate === 'undecided') return <span class="mark muted">answer</span>;
  if (fate === 'left out') {
    return (
      <span class="mark muted">
        <Icon name="minus" /> left out
      </span>
    );
  }
  return (
    <span class="mark bad">
      <Icon name={paired ? 'cross' : 'plus'} /> {paired ? 'negative' : 'in the pool'}
    </span>
  );
}
