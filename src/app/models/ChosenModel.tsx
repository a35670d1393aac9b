import { isCommit, isHubName, parseHubName } from '../../hub/name.ts';
import { Figures } from '../components/Figures.tsx';
import { count, short } from '../format.ts';
import { config, savedConfig } from '../settings.ts';
import { view } from '../signals.ts';
import { Chooser } from './Chooser.tsx';
import { NotHere } from './NotHere.tsx';
import { modelName, shortCommit } from './names.ts';
import { choosing } from './state.ts';

/** The model of the run, and the way to another. */
export function ChosenModel() {
  const chosen = config.value.model;
  // Read of the stored settings' model; of another one that was just chosen nothing is read yet.
  const model = chosen === savedConfig.value.model ? view.value.model : null;
  const open = choosing.value === 'model';
  return (
    <section class="card" aria-label="Model">
      <header>
        <h3>{modelName(chosen, 'Example model')}</h3>
        <button
          type="button"
          class="button"
          aria-expanded={open}
          onClick={() => {
            choosing.value = open ? null : 'model';
          }}
        >
          {open ? 'Close' : 'Use another model'}
        </button>
      </header>
      {open ? (
        <Chooser use="model" />
      ) : (
        <>
          {model === null ? (
            <p class="muted">
              {chosen === 'default' && 'A model of one to two million parameters that comes with this page. '}
              Its size and layers are shown once it is read.
            </p>
          ) : (
            <Figures
              items={[
                { label: 'Parameters', value: short(model.parameterCount) },
                { label: 'Layers', value: model.layers },
                { label: 'Hidden size', value: model.hiddenSize },
                { label: 'Vocabulary', value: count(model.vocabSize), unit: 'tokens' },
                { label: 'Context', value: count(model.contextLength), unit: 'tokens' },
              ]}
            />
          )}
          <Origin name={chosen} />
          {model !== null && (
            <p class="small muted">
              {model.architecture} · fingerprint <span class="mono">{model.fingerprint.slice(0, 16)}</span>
            </p>
          )}
          <NotHere use="model" name={chosen} />
        </>
      )}
    </section>
  );
}

function Origin({ name }: { name: string }) {
  if (!isHubName(name)) return null;
  const { id, revision } = parseHubName(name);
  return (
    <p class="small muted">
      {id}, {isCommit(revision) ? `commit ${shortCommit(revision)}` : revision}
    </p>
  );
}
