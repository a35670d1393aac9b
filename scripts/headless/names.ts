/** What the user called things, against the addresses of the local server under which the page finds them. */
import type { Source } from './flags.ts';
import type { LocalServer } from './server.ts';

/** Addresses of the local server, and what the user called them. */
export type Names = Map<string, string>;

/** The address under which the page finds a source; `names` learns what the user called it. */
export function addressOf(source: Source, server: LocalServer, names: Names): string {
  switch (source.kind) {
    case 'default':
      return 'default';
    case 'url':
      server.allow(source.url);
      return source.url;
    case 'hub':
      return source.name;
    case 'folder': {
      const url = server.offer(source);
      names.set(url, source.path);
      return url;
    }
  }
}

export function withNames(text: string, names: ReadonlyMap<string, string>): string {
  let replaced = text;
  for (const [url, name] of names) replaced = replaced.replaceAll(url, () => `${name}/`);
  return replaced;
}
