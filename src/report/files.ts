import type { LabReport } from '../lab/types.ts';
import type { ExportFile } from '../pipeline/worker-api.ts';
import { armsCsv, curvesCsv, histogramsCsv, samplesCsv, timingsCsv } from './csv.ts';
import { reportMarkdown } from './markdown.ts';
import { reportPage } from './page.tsx';

/** The report as files: one page to read and print, the same in Markdown, all of it as JSON, and the figures' data. */
export function reportFiles(report: LabReport): ExportFile[] {
  const encoder = new TextEncoder();
  const file = (path: string, text: string): ExportFile => ({ path, bytes: encoder.encode(text) });
  return [
    file('report.html', reportPage(report)),
    file('report.md', reportMarkdown(report)),
    file('report.json', `${JSON.stringify(report, null, 2)}\n`),
    file('arms.csv', armsCsv(report)),
    file('curves.csv', curvesCsv(report)),
    file('histograms.csv', histogramsCsv(report)),
    file('samples.csv', samplesCsv(report)),
    file('timings.csv', timingsCsv(report)),
  ];
}
