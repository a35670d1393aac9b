/** What this page's tabs tell each other: the events of a run at work, and that the list of runs has changed. */
import type { RunEvent } from '../pipeline/types.ts';

export type TabMessage =
  | { readonly type: 'events'; readonly run: string; readonly events: readonly RunEvent[] }
  | { readonly type: 'runs' };

const channel = new BroadcastChannel('self-contrast');

export function tell(message: TabMessage): void {
  channel.postMessage(message);
}

/** Messages of the other tabs; a tab does not hear itself. */
export function listen(onMessage: (message: TabMessage) => void): void {
  channel.addEventListener('message', (event: MessageEvent<TabMessage>) => onMessage(event.data));
}
