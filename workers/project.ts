/** Comlink entry point of the project worker. */
import * as Comlink from 'comlink';
import { createProjectService } from '../src/service/project-service.ts';

Comlink.expose(createProjectService());
