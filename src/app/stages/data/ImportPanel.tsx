import { cancelImport } from '../../actions.ts';
import { Figures } from '../../components/Figures.tsx';
import { bytes, count, duration, percent } from '../../format.ts';
import { importing } from '../../importing.ts';
import { MappingPanel } from './MappingPanel.tsx';

/** What is being done with the user's files, and the way to stop it. */
export function ImportPanel() {
  const now = importing.value;
  if (now === null) return null;
  if (now.step === 'mapping') return <MappingPanel now={now} />;
  const progress = now.step === 'reading' ? now.progress : null;
  const share = progress === null ? 0 : Math.min(1, progress.bytes / Math.max(1, progress.totalBytes));
  const name = now.step === 'looking' ? (now.names[0] ?? '') : (progress?.file ?? now.name);
  return (
    <section class="card import-panel" aria-label="Reading data" aria-busy="true">
      <header>
        <h3>
          {now.step === 'looking' ? 'Looking into' : 'Reading'} <bdi>{name}</bdi>
        </h3>
        <button type="button" class="button" onClick={cancelImport}>
          Cancel
        </button>
      </header>
      <div
        class="bar"
        role="progressbar"
        aria-label="Read so far"
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round(share * 100)}
      >
        <i style={{ width: `${share * 100}%` }} />
      </div>
      <Figures
        items={[
          { label: 'Rows', value: count(progress?.rows ?? 0) },
          { label: 'Refused', value: count(progress?.refused ?? 0) },
          { label: 'Duplicates', value: count(progress?.duplicates ?? 0) },
          {
            label: 'Read',
            value: bytes(progress?.bytes ?? 0),
            unit: progress === null ? '' : `of ${bytes(progress.totalBytes)}, ${percent(share, 0)}`,
          },
          { label: 'Rate', value: `${bytes(progress?.rate ?? 0)}/s` },
          {
            label: 'Time left',
            value: progress?.secondsLeft == null ? '–' : duration(progress.secondsLeft),
          },
        ]}
      />
      <p class="small muted">The page stays usable. Until the end nothing of your run is changed.</p>
    </section>
  );
}
