/** Comlink entry point of the data worker. */
import * as Comlink from 'comlink';
import { createDataService } from '../src/service/data-service.ts';
import { openStorage, type Storage } from '../src/storage/index.ts';

let storage: Promise<Storage> | undefined;

Comlink.expose(
  createDataService({
    storage: () => {
      storage ??= openStorage();
      return storage;
    },
    estimate: () => navigator.storage.estimate(),
    now: () => performance.now(),
  }),
);
