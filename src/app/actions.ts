/** All that the page's buttons do. */

export { chatWith, checkRun } from './actions/ask.ts';
export { boot } from './actions/boot.ts';
export { downloadAdapter, downloadFile } from './actions/download.ts';
export { discardEdits, edit, markAnswer } from './actions/edits.ts';
export { dropFiles, pickDataset, pickModel } from './actions/import.ts';
export { askToKeep, forceBackend, setKeepAwake, setNotify, setTheme } from './actions/preferences.ts';
export { copyPlan, duplicateRun, exportRuns, importRuns, measureRuns } from './actions/project.ts';
export { pause, start, stop } from './actions/run.ts';
export {
  deleteRuns,
  describeRun,
  newRun,
  openRun,
  openRuns,
  openStage,
  showRun,
} from './actions/runs.ts';
