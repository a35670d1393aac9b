/** Small things the page remembers between visits. */

/** localStorage may be blocked; the page works without it. */
export function remember(key: string, value: string): void {
  try {
    localStorage.setItem(`self-contrast.${key}`, value);
  } catch {
    // nothing depends on it
  }
}

export function recall(key: string): string | null {
  try {
    return localStorage.getItem(`self-contrast.${key}`);
  } catch {
    return null;
  }
}
