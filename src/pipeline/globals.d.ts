/**
 * The one platform type that the pure core's interfaces name. It merges with the DOM's own declaration where
 * that is loaded, so its members must be declared exactly as there.
 */
interface AbortSignal {
  readonly aborted: boolean;
  // biome-ignore lint/suspicious/noExplicitAny: the DOM declares it so, and merged members must agree
  readonly reason: any;
  throwIfAborted(): void;
}
