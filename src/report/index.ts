/** The parts of a report as components, for the page; files.ts makes files of it, which the page leaves to its worker. */
export { Configuration, Origin, Timings } from './about.tsx';
export { ArmsTable, CostTable, MeasuresTable, SeedsTable } from './arms.tsx';
export { CurveChart } from './curve.tsx';
export { Diversity, FalseNegatives } from './diagnosis.tsx';
export { Duels } from './duels.tsx';
export { Asked, Findings } from './findings.tsx';
export { GainPlot } from './forest.tsx';
export { Gradient } from './gradient.tsx';
export { Histogram } from './histogram.tsx';
export { SignMark, VerdictMark } from './marks.tsx';
export { Report } from './report.tsx';
export { Quoted, Samples } from './samples.tsx';
export { Signs } from './signs.tsx';
export { answerOf, basisOf, notesOf } from './words.ts';
