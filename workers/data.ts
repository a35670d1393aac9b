/** Comlink entry point of the data worker. */
import * as Comlink from 'comlink';
import { createDataService } from '../src/service/data-service.ts';
import { openStorage, type Storage } from '../src/storage/index.ts';
import { estimateStorage } from '../src/storage/space.ts';

let storage: Promise<Storage> | undefined;

Comlink.expose(
  createDataService({
    storage: () => {
      storage ??= openStorage();
      return storage;
    },
    estimate: estimateStorage,
    now: () => performance.now(),
  }),
);
