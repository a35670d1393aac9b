import { describe } from 'vitest';
import { urlFolder } from '../../src/service/url-folder.ts';
import { embedderSuite } from '../fixtures/embedder-suite.ts';

// Threads share a run's rows: where a text lies among others must not show either.
describe('an embedder with attention (WASM, two threads)', () =>
  embedderSuite(
    () => urlFolder(new URL('/models/default-embedder/', location.href).href, 'default-embedder'),
    { wasmPath: '/ort/', threads: 2 },
  ));
