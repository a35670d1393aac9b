/** Texts from files, made fit for a message: of bounded length, on one line, and nothing in them unseen. */

/**
 * What can't be seen, or reorders what is around it: controls, line ends, zero-width characters, direction marks,
 * embeddings, overrides and isolates, tags, and halves of surrogate pairs.
 */
const UNSEEN =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is the purpose
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]|\p{Cs}/gu;

/** Shows invisible and reordering characters by their code, as in `a\u202eb`. Everything else stays. */
export function visible(text: string): string {
  return text.replace(UNSEEN, (character) => {
    const code = (character.codePointAt(0) ?? 0).toString(16);
    return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, '0')}`;
  });
}

/** The same for a text of several lines: line ends stay. */
export const visibleLines = (text: string): string => text.split('\n').map(visible).join('\n');

/** At most `most` characters of a text for a message, dots where it goes on, every character visible. */
export function excerpt(text: string, most: number): string {
  // Cut before it is rewritten: the text may be megabytes long.
  const shown = visible(text.length > most ? text.slice(0, most) : text);
  return shown.length > most || text.length > most ? `${shown.slice(0, Math.max(0, most - 3))}...` : shown;
}

/** Characters of an error's message. Files can make names as long as they like. */
const MESSAGE = 1000;

/** A long message keeps its beginning (what and where) and its end (what to do); its lines stay lines. */
function bounded(message: string): string {
  const [head, tail] = [MESSAGE * 0.7, MESSAGE * 0.25];
  const short = message.length > MESSAGE ? `${message.slice(0, head)} ... ${message.slice(-tail)}` : message;
  const shown = visibleLines(short);
  return shown.length > 2 * MESSAGE ? `${shown.slice(0, 2 * MESSAGE)} ...` : shown;
}

/**
 * An error about something that was read. Its message may quote what was read, so it is bounded, and nothing in it is
 * unseen: neither the page nor a terminal can be made to show something else by it.
 */
export class InputError extends Error {
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super(bounded(message), options);
  }
}
