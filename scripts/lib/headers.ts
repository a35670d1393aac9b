/**
 * What the built site's answers say about themselves, wherever they come from: `vite preview`, the headless
 * runner's server, and static hosts (dist/_headers). A worker takes its policy from its own script's headers, not
 * from the page's <meta>, so real headers are needed beside it.
 */

/**
 * SharedArrayBuffer, and with it WASM threads, needs a cross-origin isolated page. ISOLATION=off leaves the
 * headers out, to try the page as a plain static host would serve it (one thread, everything else the same).
 */
export const ISOLATION_HEADERS: Readonly<Record<string, string>> =
  process.env.ISOLATION === 'off'
    ? {}
    : {
        'Cross-Origin-Opener-Policy': 'same-origin',
        'Cross-Origin-Embedder-Policy': 'require-corp',
        'Cross-Origin-Resource-Policy': 'same-origin',
      };

/**
 * Folder of dist/ that the worker which fetches models lies in. It alone may reach other hosts: it is given the names
 * of models and gives back their files, and prompts, answers and adapters never come to it.
 */
export const HUB_FOLDER = 'hub';

/**
 * Where models may come from: any hub or mirror over https, wherever it sends the large files on to, and servers on
 * this very machine.
 */
const HUBS: readonly string[] = ['https:', 'http://localhost:*', 'http://127.0.0.1:*'];

/**
 * The Content-Security-Policy: nothing but the site's own files, and no code but its own scripts and WebAssembly.
 *
 * @param hosts that may be fetched from besides the site itself
 * @param inPage for a <meta> element, where browsers do not take frame-ancestors
 */
export function contentSecurityPolicy(hosts: readonly string[] = [], inPage = false): string {
  const directives = [
    "default-src 'none'",
    "script-src 'self' 'wasm-unsafe-eval'",
    // The model worker, the embedder's, and onnxruntime's threads: all from files of the site.
    "worker-src 'self'",
    ["connect-src 'self'", ...hosts].join(' '),
    "style-src 'self'",
    // data: is the headless page's empty icon.
    "img-src 'self' data:",
    "font-src 'none'",
    "frame-src 'none'",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
  ];
  return [...directives, ...(inPage ? [] : ["frame-ancestors 'none'"])].join('; ');
}

const COMMON: Readonly<Record<string, string>> = {
  ...ISOLATION_HEADERS,
  // A file is what its type says; nothing the user offers turns into a script or a page.
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
};

/**
 * Headers of one answer.
 *
 * @param path of the address, beginning with a slash
 * @param hosts that the site may fetch from, and those that models may come from in addition
 */
export function siteHeaders(
  path: string,
  hosts: { readonly site?: readonly string[]; readonly models?: readonly string[] } = {},
): Readonly<Record<string, string>> {
  const { site = [], models = [] } = hosts;
  const allowed = path.startsWith(`/${HUB_FOLDER}/`) ? [...HUBS, ...models] : site;
  return { ...COMMON, 'Content-Security-Policy': contentSecurityPolicy(allowed) };
}

/**
 * The same for hosts that read a file of this form (Netlify, Cloudflare Pages and others). These join the headers of
 * all rules that fit an address, and of two policies both would hold: so every policy has paths of its own.
 *
 * @param names of all files and folders at the top of the site; folders end in a slash
 */
export function headersFile(names: readonly string[]): string {
  const block = (path: string, headers: Readonly<Record<string, string>>) => [
    path,
    ...Object.entries(headers).map(([name, value]) => `  ${name}: ${value}`),
  ];
  // Some hosts leave the ending of a page's address out.
  const pages = names.flatMap((name) => (name.endsWith('.html') ? [name.replace(/\.html$/, '')] : []));
  const policies = ['', ...names, ...pages].flatMap((name) => {
    const path = `/${name}`;
    const policy = siteHeaders(path)['Content-Security-Policy'] ?? '';
    return block(name.endsWith('/') ? `${path}*` : path, { 'Content-Security-Policy': policy });
  });
  return [...block('/*', COMMON), ...policies, ''].join('\n');
}
