/** What is kept in localStorage or asked of the browser: theme, notifications, the screen's wake lock. */
import { effect } from '@preact/signals';
import type { RunConfig } from '../../pipeline/config.ts';
import { config } from '../settings.ts';
import { askedToKeep, keepAwake, notify, said, type Theme, theme, title, working } from '../signals.ts';
import { edit } from './edits.ts';
import { recall, remember } from './memory.ts';

export function setTheme(next: Theme): void {
  theme.value = next;
  remember('theme', next);
}

/** Applies from the next start: the device is chosen when the model is loaded. */
export function forceBackend(backend: RunConfig['backend']): void {
  edit({ ...config.value, backend });
  remember('backend', backend);
}

export async function setKeepAwake(on: boolean): Promise<void> {
  keepAwake.value = on;
  remember('awake', on ? 'yes' : 'no');
}

export async function setNotify(on: boolean): Promise<void> {
  if (on && 'Notification' in window && Notification.permission === 'default')
    await Notification.requestPermission();
  notify.value = on && 'Notification' in window && Notification.permission === 'granted';
  if (on && !notify.value) said.value = 'The browser does not allow notifications from this page.';
  remember('notify', notify.value ? 'yes' : 'no');
}

/** Tells that a run ended, where the user asked for it and is looking elsewhere. */
export function announce(text: string): void {
  said.value = text;
  if (notify.value && document.hidden) new Notification('self-contrast', { body: text });
}

/** Reads the preferences and keeps theme, tab title and wake lock in step with the signals. */
export function watchPreferences(): void {
  const stored = recall('theme');
  if (stored === 'light' || stored === 'dark') theme.value = stored;
  keepAwake.value = recall('awake') === 'yes';
  askedToKeep.value = recall('asked') !== null;
  notify.value =
    recall('notify') === 'yes' && 'Notification' in window && Notification.permission === 'granted';
  effect(() => {
    if (theme.value === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme.value;
  });
  effect(() => {
    document.title = title.value;
  });
  let lock: WakeLockSentinel | null = null;
  const hold = async () => {
    const wanted = keepAwake.value && working.value && !document.hidden;
    if (!wanted) {
      await lock?.release();
      lock = null;
    } else if (lock === null || lock.released) {
      // Refused on low battery; then the screen sleeps and the run goes on.
      lock = (await navigator.wakeLock?.request('screen').catch(() => null)) ?? null;
    }
  };
  effect(() => {
    void keepAwake.value;
    void working.value;
    void hold();
  });
  document.addEventListener('visibilitychange', () => void hold());
}
