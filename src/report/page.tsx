/** The report as one page that needs nothing else: no script, no other file, no network. */
import { renderToString } from 'preact-render-to-string';
import type { LabReport } from '../lab/types.ts';
import { Report } from './report.tsx';
import chartsCss from './styles/charts.css?raw';
import pageCss from './styles/page.css?raw';
import reportCss from './styles/report.css?raw';
import tablesCss from './styles/tables.css?raw';
import tokensCss from './styles/tokens.css?raw';
import { visible } from './text.ts';

/** Our own files alone, in which no tag can end: text that is not ours never comes here. */
const CSS = `\n${tokensCss}\n${pageCss}\n${reportCss}\n${tablesCss}\n${chartsCss}`;
/** What the renderer leaves of an empty style element: it would escape a style's text as any other. */
const EMPTY_STYLE = '<style></style>';

/** The whole document, with its doctype. */
export function reportPage(report: LabReport): string {
  const html = renderToString(<Document report={report} />);
  // The head comes first, and texts are escaped: the first is ours.
  return `<!doctype html>\n${html.replace(EMPTY_STYLE, () => `<style>${CSS}</style>`)}\n`;
}

/** Nothing of the page may be fetched or run, whatever text it holds. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'";

function Document({ report }: { report: LabReport }) {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content={POLICY} />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="referrer" content="no-referrer" />
        <title>{visible(report.title)}</title>
        <style />
      </head>
      <body>
        <main>
          <Report report={report} />
        </main>
      </body>
    </html>
  );
}
