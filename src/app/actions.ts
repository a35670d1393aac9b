/** All that the page's buttons do. */

export { forgetAdapter, pickAdapter } from './actions/adapter.ts';
export { chatWith, checkDevice, checkRun, seeRow } from './actions/ask.ts';
export { boot } from './actions/boot.ts';
export { downloadAdapter, downloadFile } from './actions/download.ts';
export { discardEdits, edit, markAnswer } from './actions/edits.ts';
export { answerFile, cancelExport, downloadFormat } from './actions/exports.ts';
export { applySuggestion, measureFit } from './actions/fit.ts';
export { dropFiles, pickDataset, pickModel } from './actions/import.ts';
export { cancelImport, readDifferently, readMapped, setMapping } from './actions/import-data.ts';
export {
  cancelFetch,
  checkCached,
  choose,
  chooseModel,
  fetchFound,
  forgetSearch,
  giveToken,
  hubOf,
  judgeAgain,
  listModels,
  lookUp,
  removeCached,
  removeFolder,
  tryAgain,
} from './actions/models.ts';
export { forceBackend, setKeepAwake, setNotify, setTheme } from './actions/preferences.ts';
export { copyPlan, duplicateRun, exportRuns, importRuns, measureRuns } from './actions/project.ts';
export { downloadRefused } from './actions/refused.ts';
export { redoLower, resumeLower, resumeOnWasm } from './actions/remedies.ts';
export { downloadRunReport } from './actions/report.ts';
export { pause, start, stop } from './actions/run.ts';
export {
  deleteRuns,
  describeRun,
  newRun,
  openLab,
  openRun,
  openRuns,
  openStage,
  showRun,
} from './actions/runs.ts';
export { askToKeep } from './actions/space.ts';
