/** All that the page's buttons do. */
export { chatWith, checkRun, seeRow } from './actions/ask.ts';
export { downloadAdapter, downloadFile } from './actions/download.ts';
export { discardEdits, edit, markAnswer } from './actions/edits.ts';
export { dropFiles, pickDataset, pickModel } from './actions/import.ts';
export { cancelImport, readDifferently, readMapped, setMapping } from './actions/import-data.ts';
export { forceBackend, setKeepAwake, setNotify, setTheme } from './actions/preferences.ts';
export { downloadRefused } from './actions/refused.ts';
export { pause, start, stop } from './actions/run.ts';
export { boot, deleteRunById, newRun, openRun, openStage, renameRun } from './actions/runs.ts';
