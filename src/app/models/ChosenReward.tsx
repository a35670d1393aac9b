import { useSignalEffect } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { Chooser } from './Chooser.tsx';
import { NotHere } from './NotHere.tsx';
import { modelName } from './names.ts';
import { choosing, chosenReward } from './state.ts';

interface Props {
  /** As LabManifest.rewardModel names it; empty for none. */
  readonly value: string;
  readonly onChange: (name: string) => void;
}

/** What a lab's answers are scored by beside the data set's grader: chosen as a model is, or none. */
export function ChosenReward({ value, onChange }: Props) {
  const open = choosing.value === 'reward';
  useEffect(() => {
    chosenReward.value = value;
  }, [value]);
  useSignalEffect(() => {
    const name = chosenReward.value;
    if (name !== value) onChange(name);
  });
  return (
    <section class="card" aria-label="Reward model">
      <header>
        <h3>
          {value === '' ? 'No reward model' : `Scored by ${modelName(value, 'the example reward model')}`}
        </h3>
        <span class="row">
          {value !== '' && (
            <button type="button" class="button plain" onClick={() => onChange('')}>
              Do without
            </button>
          )}
          <button
            type="button"
            class="button"
            aria-expanded={open}
            onClick={() => {
              choosing.value = open ? null : 'reward';
            }}
          >
            {open ? 'Close' : value === '' ? 'Choose a reward model' : 'Use another one'}
          </button>
        </span>
      </header>
      {!open && value === '' && (
        <p class="muted">
          A classifier with one label, or two, scores every held-out answer and gives the win rate against the
          data’s own targets.
        </p>
      )}
      {!open && value === 'default' && (
        <p class="muted">
          It knows the example data: which words of an answer come with which words of a question. For data of
          your own, choose one that was trained on such answers.
        </p>
      )}
      {!open && <NotHere use="reward" name={value} />}
      {open && <Chooser use="reward" />}
    </section>
  );
}
