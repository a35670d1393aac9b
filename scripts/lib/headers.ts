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
 * Origins besides its own that the built page may fetch from. None: it loads no models by address. An address that
 * should be allowed (a model hub) belongs here, and nowhere else.
 */
const HUBS: readonly string[] = [];

/**
 * The Content-Security-Policy: nothing but the site's own files, and no code but its own scripts and WebAssembly.
 *
 * @param hubs origins that may be fetched from besides the site's own
 * @param inPage for a <meta> element, where browsers do not take frame-ancestors
 */
export function contentSecurityPolicy(hubs: readonly string[] = HUBS, inPage = false): string {
  const directives = [
    "default-src 'none'",
    "script-src 'self' 'wasm-unsafe-eval'",
    // The model worker, the embedder's, and onnxruntime's threads: all from files of the site.
    "worker-src 'self'",
    ["connect-src 'self'", ...hubs].join(' '),
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

/** Headers of every answer. */
export function siteHeaders(hubs: readonly string[] = HUBS): Readonly<Record<string, string>> {
  return {
    ...ISOLATION_HEADERS,
    'Content-Security-Policy': contentSecurityPolicy(hubs),
    // A file is what its type says; nothing the user offers turns into a script or a page.
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
  };
}

/** The same for hosts that read a file of this form (Netlify, Cloudflare Pages and others). */
export function headersFile(): string {
  const lines = Object.entries(siteHeaders()).map(([name, value]) => `  ${name}: ${value}`);
  return ['/*', ...lines, ''].join('\n');
}
