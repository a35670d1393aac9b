export { auc, type Judged } from './auc.ts';
export { type BootstrapOptions, bootstrapGain, bootstrapMean, seedMeans, type Values } from './bootstrap.ts';
export { type Bins, binsFor, countsIn, histogram } from './histogram.ts';
export { share, simultaneousGains } from './simultaneous.ts';
export { wilson } from './wilson.ts';
