import { createReadStream, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, extname, join, normalize, sep } from 'node:path';
import { type Connect, defaultClientConditions, defineConfig, type Plugin, type UserConfig } from 'vite';
import {
  contentSecurityPolicy,
  HUB_FOLDER,
  headersFile,
  ISOLATION_HEADERS,
  siteHeaders,
} from './scripts/lib/headers.ts';

/** The runtime with WebGPU (what transformers.js loads, too), and the smaller one for WASM alone. */
const ORT_FILES = [
  'ort-wasm-simd-threaded.asyncify.mjs',
  'ort-wasm-simd-threaded.asyncify.wasm',
  'ort-wasm-simd-threaded.mjs',
  'ort-wasm-simd-threaded.wasm',
];

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
  '.json': 'application/json',
};

/** Serves the files of one folder, read-only, below `prefix`: in dev, preview and tests. */
export function serveFolder(prefix: string, folder: string, allowed?: readonly string[]): Plugin {
  const serve = (
    headers: Readonly<Record<string, string>>,
    ...[request, response, next]: Parameters<Connect.NextHandleFunction>
  ): void => {
    const path = decodeURIComponent((request.url ?? '').replace(/[?#].*$/, ''));
    if (!path.startsWith(prefix)) {
      next();
      return;
    }
    const name = path.slice(prefix.length);
    const file = normalize(join(folder, name));
    const known = allowed === undefined ? file.startsWith(folder + sep) : allowed.includes(name);
    const stat = known ? statSync(file, { throwIfNoEntry: false }) : undefined;
    if (stat === undefined || !stat.isFile()) {
      // Answered here: Vite's own fallback would send index.html for a missing file.
      response.statusCode = 404;
      response.end();
      return;
    }
    // Set before Vite's own handlers had a turn to.
    for (const [key, value] of Object.entries(headers)) response.setHeader(key, value);
    response.setHeader('Content-Type', MEDIA_TYPES[extname(file)] ?? 'application/octet-stream');
    response.setHeader('Content-Length', stat.size);
    createReadStream(file).pipe(response);
  };
  return {
    name: `serve:${prefix}`,
    configureServer: (server) => void server.middlewares.use((...call) => serve(ISOLATION_HEADERS, ...call)),
    configurePreviewServer: (server) =>
      void server.middlewares.use((...call) => serve(siteHeaders(prefix), ...call)),
  };
}

/** onnxruntime-web's runtime files under `ort/`: served from node_modules in dev, copied once into dist. */
export function ortFiles(): Plugin {
  const folder = dirname(
    createRequire(import.meta.url).resolve('onnxruntime-web/ort-wasm-simd-threaded.wasm'),
  );
  return {
    ...serveFolder('/ort/', folder, ORT_FILES),
    name: 'ort-files',
    generateBundle() {
      // Workers are bundled on their own; only the page's bundle carries the files.
      if (this.environment.config.isWorker) return;
      for (const name of ORT_FILES) {
        this.emitFile({ type: 'asset', fileName: `ort/${name}`, source: readFileSync(join(folder, name)) });
      }
    },
  };
}

/**
 * The built pages carry their policy, for hosts that send no headers; `_headers` is for those that can. In dev Vite
 * needs inline styles and a socket, so there is none.
 */
function contentSecurity(): Plugin {
  return {
    name: 'content-security',
    apply: 'build',
    transformIndexHtml: () => [
      {
        tag: 'meta',
        attrs: { 'http-equiv': 'Content-Security-Policy', content: contentSecurityPolicy(undefined, true) },
        injectTo: 'head-prepend',
      },
    ],
    writeBundle: {
      order: 'post',
      handler({ dir }) {
        if (this.environment.config.isWorker || dir === undefined) return;
        const names = readdirSync(dir, { withFileTypes: true }).map((entry) =>
          entry.isDirectory() ? `${entry.name}/` : entry.name,
        );
        writeFileSync(join(dir, '_headers'), headersFile(names));
      },
    },
  };
}

/** What `vite preview` says of every file, before it sends it. */
function previewHeaders(): Plugin {
  return {
    name: 'preview-headers',
    configurePreviewServer: (server) =>
      void server.middlewares.use((request, response, next) => {
        for (const [name, value] of Object.entries(siteHeaders(request.url ?? '/'))) {
          response.setHeader(name, value);
        }
        next();
      }),
  };
}

/** The one worker that may reach other hosts lies in a folder of its own, by which servers know it. */
const HUB_WORKER = 'hub';

/** What the app and the browser tests have to agree on. */
export const SHARED: UserConfig = {
  resolve: {
    // The variant without the 26 MB runtime inside: it takes the files from `ort/`.
    conditions: ['onnxruntime-web-use-extern-wasm', ...defaultClientConditions],
  },
  optimizeDeps: {
    // Named here, so that no test or page is reloaded when one of them is met late, in a worker.
    include: [
      '@huggingface/tokenizers',
      '@huggingface/transformers',
      '@noble/hashes/legacy.js',
      '@noble/hashes/sha2.js',
      '@noble/hashes/utils.js',
      '@preact/signals',
      'comlink',
      'fflate',
      'hyparquet',
      'hyparquet/src/column.js',
      'hyparquet-compressors',
      'idb',
      'onnxruntime-web/webgpu',
      'papaparse',
      'preact',
      'preact/hooks',
      'preact/jsx-dev-runtime',
      'preact/jsx-runtime',
      'preact-render-to-string',
      'protobufjs/minimal.js',
      're2js',
      'uplot',
      'valibot',
    ],
  },
  worker: {
    format: 'es',
    rolldownOptions: {
      output: {
        entryFileNames: ({ name }) => `${name === HUB_WORKER ? HUB_FOLDER : 'assets'}/[name]-[hash].js`,
      },
    },
  },
};

export default defineConfig({
  ...SHARED,
  // Relative: dist works under any path of any host.
  base: './',
  plugins: [previewHeaders(), ortFiles(), contentSecurity()],
  server: { headers: ISOLATION_HEADERS },
  build: {
    target: 'es2022',
    // transformers.js alone is about a megabyte; it sits in its own worker chunk.
    chunkSizeWarningLimit: 2500,
    rolldownOptions: { input: ['index.html', 'headless.html'] },
  },
});
