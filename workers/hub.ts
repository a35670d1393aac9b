/** Comlink entry point of the worker that fetches models: the only one whose policy lets it reach other hosts. */
import * as Comlink from 'comlink';
import { createHubService } from '../src/hub/service.ts';

Comlink.expose(createHubService());
