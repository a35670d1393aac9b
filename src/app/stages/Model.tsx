import { pickModel } from '../actions.ts';
import { Figures } from '../components/Figures.tsx';
import { StartAdapter } from '../components/StartAdapter.tsx';
import { count, short } from '../format.ts';
import { config } from '../settings.ts';
import { busy, view } from '../signals.ts';
import { Frame } from './Frame.tsx';

const BACKEND: Readonly<Record<string, string>> = { webgpu: 'WebGPU', wasm: 'WebAssembly', cpu: 'CPU' };

export function ModelStage() {
  const { model, device } = view.value;
  const chosen = config.value.model;
  return (
    <Frame stage="model">
      <section class="card">
        <header>
          <h3>{model?.name ?? (chosen === 'default' ? 'Example model' : chosen)}</h3>
          <button type="button" class="button" disabled={busy.value} onClick={() => void pickModel()}>
            Use another model
          </button>
        </header>
        {model === null ? (
          <p class="muted">
            {chosen === 'default'
              ? 'A model of one to two million parameters that comes with this page. Its size and layers are shown once it is read.'
              : 'Its size and layers are shown once it is read.'}
          </p>
        ) : (
          <>
            <Figures
              items={[
                { label: 'Parameters', value: short(model.parameterCount) },
                { label: 'Layers', value: model.layers },
                { label: 'Hidden size', value: model.hiddenSize },
                { label: 'Vocabulary', value: count(model.vocabSize), unit: 'tokens' },
                { label: 'Context', value: count(model.contextLength), unit: 'tokens' },
              ]}
            />
            <p class="small muted">
              {model.architecture} · fingerprint <span class="mono">{model.fingerprint.slice(0, 16)}</span>
            </p>
          </>
        )}
        <p class="small muted">
          A folder in Hugging Face layout works: config.json, tokenizer.json and model.safetensors. It is
          copied into this browser's storage and goes nowhere else.
        </p>
      </section>
      <StartAdapter />
      <section class="card">
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
        {!window.crossOriginIsolated && (
          <p class="notice warn-box">
            This page is not cross-origin isolated, so WebAssembly gets one thread. Everything works, only
            slower. A server that sends the headers Cross-Origin-Opener-Policy: same-origin and
            Cross-Origin-Embedder-Policy: require-corp lifts this.
          </p>
        )}
      </section>
    </Frame>
  );
}
