import { useEffect, useRef, useState } from 'preact/hooks';
import { beginBlind, blindKey, YOU } from '../../lab/judges/blind.ts';
import { duels } from '../../lab/judges/duels.ts';
import type { Choice, Duel } from '../../lab/types.ts';
import { choose, undo } from '../actions/lab-judge.ts';
import { count, percent, plural } from '../format.ts';
import { duelling, lab } from './signals.ts';

const CHOICES: readonly { readonly choice: Choice; readonly label: string; readonly key: string }[] = [
  { choice: 'a', label: 'Left is better', key: '←' },
  { choice: 'tie', label: 'As good', key: '↓' },
  { choice: 'b', label: 'Right is better', key: '→' },
];

/** One prompt, two answers, no names. The result is shown only when it is asked for, or at the end. */
export function Blind({ onClose }: { onClose: () => void }) {
  const now = duelling.value;
  const [blind, setBlind] = useState(() => beginBlind(now?.asked.comparisons ?? [], now?.verdicts ?? []));
  const [revealed, setRevealed] = useState(false);
  const storing = useRef(false);
  const box = useRef<HTMLElement>(null);
  const [question] = blind.queue;
  useEffect(() => box.current?.focus(), []);

  const act = async (what: Choice | 'undo') => {
    // A key that is held down must not run ahead of what is stored.
    if (storing.current) return;
    storing.current = true;
    setBlind(await (what === 'undo' ? undo(blind) : choose(blind, what)));
    if (what === 'undo') setRevealed(false);
    storing.current = false;
  };
  const latest = useRef(act);
  latest.current = act;
  useEffect(() => {
    // On the document: a button that was pressed may be gone with its question, and the focus with it.
    const keys = (event: KeyboardEvent) => {
      const elsewhere =
        event.target instanceof Element &&
        event.target.closest('input, select, textarea, .menu, [role="tablist"]');
      if (event.ctrlKey || event.metaKey || event.altKey || elsewhere) return;
      const what = blindKey(event.key);
      if (what === null) return;
      event.preventDefault();
      if (!event.repeat) void latest.current(what);
    };
    document.addEventListener('keydown', keys);
    return () => document.removeEventListener('keydown', keys);
  }, []);
  const total = blind.queue.length + blind.judged.length;
  return (
    <section class="card blind" aria-label="Blind comparison" ref={box} tabIndex={-1}>
      <header>
        <h3>{question === undefined ? 'All are judged' : 'Which answer is better?'}</h3>
        <span class="small muted" aria-live="polite">
          {count(blind.judged.length)} of {count(total)} judged
        </span>
      </header>
      <progress class="lab-progress" max={total} value={blind.judged.length} aria-label="Judged" />
      {question !== undefined && (
        <>
          <p class="text blind-prompt">
            <bdi>{question.prompt}</bdi>
          </p>
          <div class="columns blind-answers">
            {(['a', 'b'] as const).map((side) => (
              <figure key={side} class="blind-answer">
                <figcaption class="small muted">{side === 'a' ? 'Left' : 'Right'}</figcaption>
                <p class="text">
                  {question[side] === '' ? <span class="muted">(empty)</span> : <bdi>{question[side]}</bdi>}
                </p>
              </figure>
            ))}
          </div>
          <div class="blind-choices">
            {CHOICES.map(({ choice, label, key }) => (
              <button key={choice} type="button" class="button" onClick={() => void act(choice)}>
                {label} <kbd>{key}</kbd>
              </button>
            ))}
          </div>
        </>
      )}
      <div class="row spread">
        <div class="row">
          <button
            type="button"
            class="button"
            disabled={blind.judged.length === 0}
            onClick={() => void act('undo')}
          >
            Undo <kbd>U</kbd>
          </button>
          {!revealed && question !== undefined && blind.judged.length > 0 && (
            <button
              type="button"
              class="button"
              data-tip="Shows which arm wins so far. Whoever has seen it judges differently: best at the end."
              onClick={() => setRevealed(true)}
            >
              Reveal the result
            </button>
          )}
        </div>
        <button type="button" class="button" onClick={onClose}>
          Stop here
        </button>
      </div>
      {(revealed || question === undefined) && <Outcome />}
    </section>
  );
}

function Outcome() {
  const now = duelling.value;
  if (now === null) return null;
  const arms = lab.value.manifest?.arms ?? [];
  const own = now.verdicts.filter(({ judge }) => judge === YOU);
  const [duel] = duels(
    own,
    now.asked.keys,
    arms.map(({ id }) => id),
  );
  if (duel === undefined) return <p class="muted">Nothing is judged yet.</p>;
  return (
    <p class="notice" role="status">
      <span>{sentence(duel, (id) => arms.find((arm) => arm.id === id)?.name ?? id)}</span>
    </p>
  );
}

function sentence({ armA, armB, wins, ties, losses, winRate }: Duel, name: (id: string) => string): string {
  const { value, low, high, n } = winRate;
  const sure =
    low > 0.5
      ? `${name(armA)} is better.`
      : high < 0.5
        ? `${name(armB)} is better.`
        : 'That does not tell which is better yet.';
  return (
    `${name(armA)} wins ${percent(value)} against ${name(armB)} (95 % interval ${percent(low)} to ${percent(high)}, ` +
    `ties half): ${count(wins)} won, ${plural(ties, 'tie')}, ${count(losses)} lost of ${count(n)}. ${sure}`
  );
}
