import { useEffect, useState } from 'preact/hooks';
import { type LabFacts, labFacts, labSettings } from '../actions/lab-data.ts';
import { makeLab } from '../actions/lab-list.ts';
import { openLab } from '../actions.ts';
import { EXAMPLE_NAME } from '../example.ts';
import { plural } from '../format.ts';
import { ChosenReward } from '../models/ChosenReward.tsx';
import { modelName } from '../models/names.ts';
import { config } from '../settings.ts';
import { edits, records } from '../signals.ts';
import { type Draft, labName, readDraft } from './draft.ts';
import { GridEditor } from './GridEditor.tsx';
import { Imported } from './Imported.tsx';
import { LAB_LEAD } from './LabList.tsx';
import { PlanCards } from './PlanCards.tsx';
import { draft, labs } from './signals.ts';

const change = (part: Partial<Draft>): void => {
  draft.value = { ...draft.value, ...part };
};

/** Which questions, on what, with which seeds. Nothing is computed here. */
export function NewLab() {
  const [facts, setFacts] = useState<LabFacts>({ hasRejected: false, imported: 0, final: 0 });
  const [making, setMaking] = useState(false);
  const dataset = records.value.dataset;
  useEffect(() => {
    let alive = true;
    void labFacts().then((found) => {
      if (alive && found !== null) setFacts(found);
    });
    return () => {
      alive = false;
    };
  }, [dataset]);
  const form = draft.value;
  const settings = labSettings();
  const { plans, arms, seeds, faults } = readDraft(form, settings, facts);
  const faulty = Object.keys(faults).length > 0;
  return (
    // No form: the choice of a reward model has one of its own, and forms don't nest.
    <div class="page new-lab">
      <div class="stack" style={{ gap: '6px' }}>
        <div class="row spread">
          <h2 tabIndex={-1}>New lab</h2>
          {(labs.value?.length ?? 0) > 0 && (
            <button type="button" class="button" onClick={() => openLab('')}>
              All labs
            </button>
          )}
        </div>
        <p class="lead">{LAB_LEAD}</p>
        <p class="small muted">
          On {dataset?.info.name ?? EXAMPLE_NAME}, {modelName(config.value.model)}, with the settings of the
          shown run{edits.value !== null && ', as they are edited'}
          {settings.sample.n !== config.value.sample.n &&
            ` (but ${settings.sample.n} answers a prompt, which 16 negatives need)`}
          {settings.data.limit !== config.value.data.limit &&
            `. So that a plan takes minutes, it trains on ${settings.data.limit} of the prompts, in steps of ${settings.dpo.batch}`}
          .
        </p>
      </div>
      <PlanCards draft={form} settings={settings} facts={facts} onChange={change} />
      <Fault text={faults.plans} />
      {form.plans.includes('sources') && (
        <Imported imported={form.imported} own={facts.imported} onChange={change} />
      )}
      <GridEditor axes={form.axes} settings={settings} onChange={(axes) => change({ axes })} />
      <Fault text={faults.grid} />
      <section class="card" aria-label="How it is measured">
        <h3>How it is measured</h3>
        <div class="fields">
          <Words
            label="Seeds"
            help="Every arm is computed once with each seed, so that chance and effect can be told apart. Three at least; more give narrower intervals and take as much longer."
            value={form.seeds}
            fault={faults.seeds}
            onInput={(text) => change({ seeds: text })}
          />
          {facts.final === 0 && (
            <Words
              label="Set aside for a last look"
              unit="% of held-out"
              help="These prompts are answered only when you ask for it, once, after you have decided: a check of what you chose by looking at the others."
              value={form.finalPercent}
              fault={faults.final}
              onInput={(text) => change({ finalPercent: text })}
            />
          )}
          <Words
            label="Name"
            help="Left empty, it is named after its plans and its data."
            value={form.name}
            placeholder={labName(plans, dataset?.info.name ?? EXAMPLE_NAME)}
            onInput={(text) => change({ name: text })}
          />
        </div>
        {facts.final > 0 && (
          <p class="small muted">
            The data keep {plural(facts.final, 'prompt')} for a last look: no arm answers them before you ask
            for it, once, after you have decided.
          </p>
        )}
      </section>
      <ChosenReward value={form.reward} onChange={(reward) => change({ reward })} />
      <div class="row">
        <button
          type="button"
          class="button primary large"
          disabled={faulty || making}
          onClick={() => {
            setMaking(true);
            void makeLab(facts).finally(() => setMaking(false));
          }}
        >
          {making ? 'Storing' : 'Make the lab'}
        </button>
        <p class="muted" aria-live="polite">
          {faulty
            ? 'Something above is not right yet.'
            : `${plural(arms.length, 'arm')} × ${plural(seeds.length, 'seed')}. What arms have in common is computed once. Nothing starts before you have seen what it costs.`}
        </p>
      </div>
    </div>
  );
}

function Fault({ text }: { text: string | undefined }) {
  if (text === undefined) return null;
  return (
    <p class="small bad" role="alert">
      {text}
    </p>
  );
}

interface WordsProps {
  readonly label: string;
  readonly unit?: string;
  readonly help: string;
  readonly value: string;
  readonly placeholder?: string;
  readonly fault?: string | undefined;
  readonly onInput: (text: string) => void;
}

/** A text field with its help, and what is wrong with what it holds. */
export function Words({ label, unit, help, value, placeholder, fault, onInput }: WordsProps) {
  const id = `lab-${label.toLowerCase().replace(/\W+/g, '-')}`;
  return (
    <div class="field" data-tip={help}>
      <label class="label" for={id}>
        {label}
      </label>
      <div class="with-unit">
        <input
          id={id}
          class="input"
          value={value}
          placeholder={placeholder}
          autocomplete="off"
          spellcheck={false}
          maxLength={200}
          aria-invalid={fault !== undefined}
          aria-describedby={`${id}-help${fault === undefined ? '' : ` ${id}-fault`}`}
          onInput={(event) => onInput(event.currentTarget.value)}
        />
        {unit !== undefined && <span class="unit">{unit}</span>}
      </div>
      {fault !== undefined && (
        <span class="small bad" id={`${id}-fault`} role="alert">
          {fault}
        </span>
      )}
      <span class="sr" id={`${id}-help`}>
        {help}
      </span>
    </div>
  );
}
