/** Where in a JSON file the records are; null where each line is a record of its own. */
import type { JsonPlace } from './containers/json.ts';
import { JsonScanner } from './containers/json-scanner.ts';
import { recognise } from './formats/index.ts';
import { isRecord } from './record.ts';
import { decodeUtf8 } from './text.ts';

/** Names under which files keep their rows; under another name, a list's first member must be a row we know. */
const ROWS = ['data', 'rows', 'train', 'examples', 'records', 'items', 'samples', 'questions'];
/** Lists that are part of one record. */
const PARTS = new Set([
  'messages',
  'conversations',
  'conversation',
  'instances',
  'answers',
  'responses',
  'chosen',
  'rejected',
  'history',
  'prompt',
  'turns',
]);

/**
 * @param head the file's first text, that begins with a bracket
 * @param whole whether that is all of it
 */
export function jsonPlace(head: string, whole: boolean): JsonPlace | null {
  const start = head.search(/\S/);
  const [first = '', ...others] = head.split(/\r\n|\n|\r/).filter((line) => line.trim() !== '');
  const firstValue = parse(first);
  if (head[start] === '[') {
    // `[...]` and more lines: a list a line.
    if (firstValue !== undefined && others.length > 0) return null;
    return { skip: byteLength(head.slice(0, start + 1)), isList: true, wrapped: false };
  }
  if (firstValue !== undefined && others.length > 0) return null;
  if (firstValue !== undefined && recognise(firstValue) !== null) return null;
  const list = findRows(head);
  if (list !== null) return { skip: byteLength(head.slice(0, list)), isList: true, wrapped: true };
  // Its second line is a record: the first is a broken one.
  if (firstValue !== undefined || (others[0] !== undefined && isRecord(parse(others[0])))) return null;
  // One long line, or lines that are records but for the first.
  if (others.length === 0 && !whole) return null;
  return { skip: 0, isList: false, wrapped: false };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Where the rows begin, just after their list's opening bracket: a list of objects in the outermost object. */
function findRows(head: string): number | null {
  const lists = listsIn(head).filter(({ key }) => !PARTS.has(key));
  const isKnown = ({ at }: { at: number }) => recognise(firstMember(head.slice(at))) !== null;
  return (lists.find(({ key }) => ROWS.includes(key)) ?? lists.find(isKnown))?.at ?? null;
}

/** The first value of a list's text; undefined where it is not JSON, or goes on beyond the text. */
function firstMember(text: string): unknown {
  const bytes = new JsonScanner(true, 1).scan(encoder.encode(text))[0]?.bytes;
  return parse(bytes ? (decodeUtf8(bytes) ?? '') : '');
}

/** Lists of objects that are members of the outermost object, as far as the text goes. */
function listsIn(text: string): { key: string; at: number }[] {
  const lists: { key: string; at: number }[] = [];
  // A text, a bracket or a colon: all that tells where we are.
  const token = /"((?:[^"\\]|\\.)*)"|[[\]{}:]/gs;
  let depth = 0;
  let last = '';
  let key: string | null = null;
  for (let found = token.exec(text); found !== null; found = token.exec(text)) {
    const mark = found[0];
    if (mark === ':') key = depth === 1 ? last : null;
    else if (mark === '[' || mark === '{') {
      if (
        mark === '[' &&
        depth === 1 &&
        key !== null &&
        /^\s*\{/.test(text.slice(token.lastIndex, token.lastIndex + 1000))
      ) {
        lists.push({ key, at: token.lastIndex });
      }
      depth++;
    } else if (mark === ']' || mark === '}') depth--;
    else last = found[1] ?? '';
    if (depth <= 0 && lists.length > 0) break;
  }
  return lists;
}

const encoder = new TextEncoder();
declare const TextEncoder: new () => { encode(text: string): Uint8Array };

function byteLength(text: string): number {
  return encoder.encode(text).length;
}
