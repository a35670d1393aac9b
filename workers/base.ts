/** Address of the page, seen from a worker: built workers lie in assets/, served ones in workers/. */
export const pageBase = new URL('../', self.location.href);
