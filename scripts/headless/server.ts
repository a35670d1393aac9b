/**
 * The headless runner's own server on 127.0.0.1: the built app, the folders the user named (read-only), and
 * a place to which the page posts the run's files. Folders and posts lie below a random token, so no other
 * page open on this machine can reach them.
 */
import { randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, realpath, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { dirname, extname, join, posix, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { siteHeaders } from '../lib/headers.ts';

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
};

/** What the page may read below its own name: a folder or a single file. */
export interface Offer {
  readonly kind: 'folder' | 'file';
  readonly name: string;
  /** Path on this machine. */
  readonly path: string;
}

export interface LocalServer {
  readonly origin: string;
  /** Where the browser finds the origin's host, as it takes it: 'HOST 127.0.0.1:PORT'; null where it is the address itself. */
  readonly mapping: string | null;
  /** Lets the page fetch from the origin of an address that the user named, too. */
  allow(url: string): void;
  /** Lets the worker that fetches models ask a hub at this address, which may be one that no site allows by itself. */
  allowHub(url: string): void;
  /** URL of an offered folder (with a slash at its end) or file. */
  offer(offer: Offer): string;
  /** Base URL; what is posted to `base + path` is written to `folder/path`. */
  receive(folder: string): string;
  close(): Promise<void>;
}

/** What stays the same from one server to the next: what a browser stores belongs to an origin. */
export interface Identity {
  /** A name below localhost, which browsers take for the own machine. */
  readonly host: string;
  readonly token: string;
}

export const newToken = (): string => randomBytes(16).toString('hex');

/**
 * Starts the server on a free port, with the app from `dist`.
 *
 * @param identity for a browser profile that is used again, with the same addresses whatever the port
 */
export async function startServer(dist: string, identity?: Identity): Promise<LocalServer> {
  const token = identity?.token ?? newToken();
  const offers = new Map<string, Offer>();
  const site = new Set<string>();
  const models = new Set<string>();
  let inbox: string | null = null;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '/').replace(/[?#].*$/, '');
    const hosts = { site: [...site], models: [...models] };
    // By the file that is sent, however its address is written.
    const headers = {
      ...siteHeaders(posix.normalize(decodeURIComponent(path)), hosts),
      'Cache-Control': 'no-store',
    };
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    // Decoded part by part: a hub id's slash is an escaped one, within its part.
    const [, area, secret, key, ...rest] = path.split('/').map(decodeURIComponent);
    if (area === 'out' && secret === token && request.method === 'POST') {
      const target = inbox === null ? null : inside(inbox, [key ?? '', ...rest].join('/'));
      if (target === null) return end(response, 403);
      await mkdir(dirname(target), { recursive: true });
      await pipeline(request, createWriteStream(target));
      return end(response, 204);
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') return end(response, 405);
    if (area === 'files') {
      const offer = secret === token ? offers.get(key ?? '') : undefined;
      if (offer === undefined) return end(response, 404);
      // The first part after the key is the offer's own name, there for readable messages only.
      const file = offer.kind === 'file' ? offer.path : inside(offer.path, rest.slice(1).join('/'));
      return file === null ? end(response, 403) : send(file, offer.path, request, response);
    }
    const file = inside(dist, path === '/' ? 'index.html' : decodeURIComponent(path.slice(1)));
    return file === null ? end(response, 403) : send(file, dist, request, response);
  }

  const server = createServer((request, response) => {
    answer(request, response).catch(() => {
      if (response.headersSent) response.destroy();
      else end(response, 500);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('internal: the server has no port');
  const there = `127.0.0.1:${address.port}`;
  const origin = `http://${identity?.host ?? there}`;

  return {
    origin,
    mapping: identity ? `${identity.host} ${there}` : null,
    allow: (url) => void site.add(new URL(url).origin),
    allowHub: (url) => void models.add(new URL(url).origin),
    offer(offer) {
      const key = String(offers.size);
      offers.set(key, offer);
      const url = `${origin}/files/${token}/${key}/${encodeURIComponent(offer.name)}`;
      return offer.kind === 'file' ? url : `${url}/`;
    },
    receive(folder) {
      inbox = folder;
      return `${origin}/out/${token}/`;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** `folder/path`, or null where that would lie outside the folder. */
export function inside(folder: string, path: string): string | null {
  const joined = join(folder, path);
  return path.includes('\0') || !joined.startsWith(folder + sep) ? null : joined;
}

async function send(
  file: string,
  folder: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const found = await stat(file).catch(() => null);
  if (found === null || !found.isFile()) return end(response, 404);
  // A link inside a folder must not lead out of it, except for whole snapshots kept as links (the hub's
  // cache: snapshots/<commit>/x -> ../../blobs/y), which stay below the model's own cache folder.
  const [realFile, realFolder] = await Promise.all([realpath(file), realpath(folder)]);
  const snapshot = /^(.*)[/\\]snapshots[/\\][^/\\]+$/.exec(realFolder)?.[1];
  if (realFile !== realFolder && !realFile.startsWith((snapshot ?? realFolder) + sep))
    return end(response, 403);

  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  const start = Number(range?.[1] ?? 0);
  const last = range?.[2] ? Math.min(Number(range[2]), found.size - 1) : found.size - 1;
  if (range && start > last) return end(response, 416);
  response.writeHead(range ? 206 : 200, {
    'Content-Type': MEDIA_TYPES[extname(file)] ?? 'application/octet-stream',
    'Content-Length': last - start + 1,
    ...(range ? { 'Content-Range': `bytes ${start}-${last}/${found.size}` } : {}),
  });
  if (request.method === 'HEAD' || found.size === 0) return void response.end();
  await pipeline(createReadStream(file, { start, end: last }), response);
}

function end(response: ServerResponse, status: number): void {
  response.writeHead(status);
  response.end();
}
