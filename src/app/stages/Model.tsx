import { useEffect } from 'preact/hooks';
import { judgeAgain, measureFit } from '../actions.ts';
import { Figures } from '../components/Figures.tsx';
import { StartAdapter } from '../components/StartAdapter.tsx';
import { ChosenModel } from '../models/ChosenModel.tsx';
import { FitPanel } from '../models/FitPanel.tsx';
import { PrecisionChoice } from '../models/Precision.tsx';
import { SelfCheckPanel } from '../models/SelfCheckPanel.tsx';
import { choosing, fits, searches } from '../models/state.ts';
import { config } from '../settings.ts';
import { busy, view } from '../signals.ts';
import { Frame } from './Frame.tsx';

const BACKEND: Readonly<Record<string, string>> = { webgpu: 'WebGPU', wasm: 'WebAssembly', cpu: 'CPU' };
/** Settings are changed in bursts, by typing and by handles. */
const SETTLED_MS = 250;

export function ModelStage() {
  const settings = config.value;
  const off = busy.value;
  useEffect(() => {
    const timer = window.setTimeout(() => {
      void measureFit();
      void judgeAgain();
    }, SETTLED_MS);
    return () => window.clearTimeout(timer);
  }, [settings, off]);
  return (
    <Frame stage="model">
      <ChosenModel />
      <Memory />
      <Device />
      <StartAdapter />
    </Frame>
  );
}

/** What the settings need; not shown beside that of a model which is only being looked at. */
function Memory() {
  const { now, fault } = fits.value;
  const looking = choosing.value === 'model' && searches.value.model !== null;
  if (looking) return null;
  return (
    <>
      {now !== null && <FitPanel fit={now} />}
      <section class="card" aria-label="Precision">
        <PrecisionChoice />
        {fault !== '' && <p class="small muted">What it needs in memory is not known: {fault}</p>}
      </section>
    </>
  );
}

function Device() {
  const { device } = view.value;
  return (
    <section class="card" aria-label="Device">
      <header>
        <h3>Device</h3>
      </header>
      {device === null ? (
        <p class="muted">
          Chosen when the model is loaded: WebGPU where there is a real GPU, else WebAssembly.
        </p>
      ) : (
        <>
          <Figures
            items={[
              {
                label: 'Backend',
                value: BACKEND[device.backend] ?? device.backend,
                unit: device.description,
              },
              ...(device.backend === 'webgpu' ? [] : [{ label: 'Threads', value: device.threads }]),
            ]}
          />
          {device.note !== '' && <p class="muted">{device.note}</p>}
        </>
      )}
      <SelfCheckPanel />
      {!window.crossOriginIsolated && (
        <p class="notice warn-box">
          This page is not cross-origin isolated, so WebAssembly gets one thread. Everything works, only
          slower. A server that sends the headers Cross-Origin-Opener-Policy: same-origin and
          Cross-Origin-Embedder-Policy: require-corp lifts this.
        </p>
      )}
    </section>
  );
}
