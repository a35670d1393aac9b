import { useEffect, useState } from 'preact/hooks';
import { endDuel, openDuel } from '../actions/lab-judge.ts';
import { plural } from '../format.ts';
import { Blind } from './Blind.tsx';
import { External } from './External.tsx';
import { duelling, lab } from './signals.ts';

/** Which of two arms answers better: judged by the user, blind, or by somebody else through a file. */
export function Judge() {
  const { manifest, report } = lab.value;
  const done = (report?.arms ?? []).filter(({ state }) => state === 'done');
  const [armA, setA] = useState('');
  const [armB, setB] = useState('');
  const [judging, setJudging] = useState(false);
  const first =
    done.find(({ id }) => id === armA) ?? done.find(({ id }) => id === report?.reference) ?? done[0];
  const others = done.filter(({ id }) => id !== first?.id);
  const second = others.find(({ id }) => id === armB) ?? others.at(-1);
  useEffect(() => {
    if (first !== undefined && second !== undefined) void openDuel(first.id, second.id);
  }, [first?.id, second?.id]);
  useEffect(() => endDuel, []);
  if (manifest === null || first === undefined || second === undefined)
    return <p class="empty">Two arms must have ended before they can be judged against each other.</p>;
  const asked = duelling.value?.asked;
  const same = asked === undefined ? 0 : asked.keys.length - asked.comparisons.length;
  if (judging && duelling.value !== null) return <Blind onClose={() => setJudging(false)} />;
  return (
    <>
      <section class="card" aria-label="Which arms">
        <h3>Which of two arms answers better?</h3>
        <div class="fields">
          <ArmField label="One arm" value={first.id} arms={done} onChange={setA} />
          <ArmField label="Another arm" value={second.id} arms={others} onChange={setB} />
        </div>
        <p class="small muted" aria-live="polite">
          {asked === undefined
            ? 'Reading their answers.'
            : `${plural(asked.comparisons.length, 'question')}: a prompt and an answer of each, shuffled.${
                same > 0
                  ? ` ${plural(same, 'pair')} of answers are the same text, or asked already; nobody is asked about them.`
                  : ''
              }`}
        </p>
      </section>
      {asked !== undefined && (
        <div class="columns">
          <section class="card" aria-label="Judge it yourself">
            <h3>Judge it yourself, blind</h3>
            <p>
              Two answers side by side, without a name. You choose with the arrow keys; every choice is stored
              at once, and you may stop at any of them.
            </p>
            <div class="row">
              <button
                type="button"
                class="button primary"
                disabled={asked.comparisons.length === 0}
                onClick={() => setJudging(true)}
              >
                Begin
              </button>
            </div>
          </section>
          <External />
        </div>
      )}
    </>
  );
}

interface ArmFieldProps {
  readonly label: string;
  readonly value: string;
  readonly arms: readonly { readonly id: string; readonly name: string }[];
  readonly onChange: (id: string) => void;
}

function ArmField({ label, value, arms, onChange }: ArmFieldProps) {
  return (
    <label class="field">
      <span class="label">{label}</span>
      <select class="input" value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        {arms.map(({ id, name }) => (
          <option key={id} value={id}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}
