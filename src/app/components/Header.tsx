import { forceBackend, openLab, setTheme } from '../actions.ts';
import { bytes } from '../format.ts';
import { config } from '../settings.ts';
import { busy, labAtWork, labOpen, storageUse, type Theme, theme, view } from '../signals.ts';
import { Icon } from './Icon.tsx';
import { Menu } from './Menu.tsx';
import { RunMenu } from './RunMenu.tsx';

const BACKENDS = [
  { value: 'auto', label: 'Choose for me', help: 'WebGPU where there is a real GPU, else WebAssembly' },
  { value: 'webgpu', label: 'WebGPU', help: 'The graphics processor; fastest where it works' },
  { value: 'wasm', label: 'WebAssembly', help: 'The processor; works everywhere' },
] as const;

const SHORT: Readonly<Record<string, string>> = {
  webgpu: 'WebGPU',
  wasm: 'WebAssembly',
  cpu: 'CPU',
  auto: 'Backend: auto',
};

export function Header() {
  const use = storageUse.value;
  return (
    <header class="head">
      <h1>
        <Mark />
        <span>self-contrast</span>
      </h1>
      <div class="grow">
        <RunMenu />
      </div>
      <LabButton />
      <BackendMenu />
      {use !== null && (
        <span
          class="storage small muted"
          data-tip="What this page has stored on this device, and what the browser allows."
        >
          {bytes(use.used)} of {bytes(use.quota)}
        </span>
      )}
      <ThemeButton />
    </header>
  );
}

/** The second place of the page, beside the run: plans of many trainings, compared. */
function LabButton() {
  const atWork = labAtWork.value;
  return (
    <button
      type="button"
      class="button plain lab-button"
      aria-label="Lab"
      aria-current={labOpen.value === null ? undefined : 'page'}
      data-tip="Find out what helps on your data: plans of many trainings, compared with intervals and explained."
      onClick={() => openLab(atWork?.id ?? '')}
    >
      <Icon name="flask" />
      <span>Lab{atWork !== null && ` ${Math.floor(atWork.share * 100)} %`}</span>
    </button>
  );
}

function Mark() {
  return (
    <svg width="18" height="18" viewBox="0 0 18 18" aria-hidden="true">
      <circle cx="9" cy="9" r="7" fill="none" stroke="var(--accent)" stroke-width="2" />
      <path d="M9 2a7 7 0 010 14z" fill="var(--accent)" />
    </svg>
  );
}

function BackendMenu() {
  const chosen = config.value.backend;
  const { device } = view.value;
  const label = device === null ? (SHORT[chosen] ?? chosen) : (SHORT[device.backend] ?? device.backend);
  // 'WebAssembly, 2 threads' need not say WebAssembly twice.
  const detail = (device?.description ?? '').replace(label, '').replace(/^[,\s]+/, '');
  return (
    <Menu
      right
      disabled={busy.value}
      name={`Backend: ${label}. ${device?.description ?? ''}`}
      class="button plain"
      label={
        <>
          <span>{label}</span>
          {detail !== '' && <span class="muted device-name">· {detail}</span>}
          <Icon name="down" />
        </>
      }
    >
      {(close) => (
        <>
          <p class="label">Where the model runs, from the next start</p>
          {BACKENDS.map(({ value, label: name, help }) => (
            <button
              key={value}
              type="button"
              class="item"
              aria-pressed={chosen === value}
              onClick={() => {
                forceBackend(value);
                close();
              }}
            >
              <span style={{ width: '16px' }}>{chosen === value && <Icon name="check" />}</span>
              <span class="stack">
                <span>{name}</span>
                <span class="small muted">{help}</span>
              </span>
            </button>
          ))}
        </>
      )}
    </Menu>
  );
}

const THEMES: readonly {
  readonly value: Theme;
  readonly label: string;
  readonly icon: 'screen' | 'sun' | 'moon';
}[] = [
  { value: 'system', label: 'as the system', icon: 'screen' },
  { value: 'light', label: 'light', icon: 'sun' },
  { value: 'dark', label: 'dark', icon: 'moon' },
];

function ThemeButton() {
  const at = THEMES.findIndex(({ value }) => value === theme.value);
  const now = THEMES[at] ?? THEMES[0];
  const next = THEMES[(at + 1) % THEMES.length];
  if (now === undefined || next === undefined) return null;
  return (
    <button
      type="button"
      class="button plain square"
      aria-label={`Theme: ${now.label}. Switch to ${next.label}.`}
      data-tip={`Theme: ${now.label}. Click for ${next.label}.`}
      onClick={() => setTheme(next.value)}
    >
      <Icon name={now.icon} />
    </button>
  );
}
