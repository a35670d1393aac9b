/** Untrusted text as a report shows it. Pure. */

/** Longest text of one sample on the page; the whole is in the files beside it. */
const LONGEST = 1500;

/**
 * Control characters, which HTML forbids and terminals obey, as their pictures; halves of surrogate pairs as the
 * replacement character. Line ends and tabs stay.
 */
export function visible(text: string): string {
  return (
    text
      .replace(/\r\n?/g, '\n')
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
      .replace(/[\0-\x08\x0b-\x1f]/g, (sign) => String.fromCodePoint(0x2400 + sign.charCodeAt(0)))
      .replace(/[\x7f-\x9f\ufffe\uffff]/g, '\ufffd')
      .replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '\ufffd')
  );
}

/** The same for names and sentences, in which figures do not part from their signs and units at a line's end. */
export function prose(text: string): string {
  return visible(text)
    .replace(/(\S) = (?=\S)/g, '$1\u00a0=\u00a0')
    .replace(/(\d) (?=%)/g, '$1\u00a0');
}

export interface Shortened {
  readonly text: string;
  /** Characters left out. */
  readonly more: number;
}

/** The beginning of a text that is too long to read beside others. */
export function shortened(text: string): Shortened {
  if (text.length <= LONGEST) return { text: visible(text), more: 0 };
  return { text: visible(text.slice(0, LONGEST)), more: text.length - LONGEST };
}

/** '2026-03-02T08:15:00.000Z' -> '2 March 2026, 08:15 UTC': the same for every reader. */
export function moment(iso: string): string {
  const date = new Date(iso);
  if (!Number.isFinite(date.getTime())) return visible(iso);
  const day = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeZone: 'UTC' }).format(date);
  const time = new Intl.DateTimeFormat('en-GB', { timeStyle: 'short', timeZone: 'UTC' }).format(date);
  return `${day}, ${time} UTC`;
}
