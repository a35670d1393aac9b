/** A report's page as a browser takes it: parsed by the book, nothing run or fetched, no wider than its window. */
import { afterEach, expect, test } from 'vitest';
import { reportFiles } from '../../src/report/files.ts';
import { sampleReport } from '../fixtures/lab-report.ts';

const frames: HTMLIFrameElement[] = [];

afterEach(() => {
  for (const frame of frames.splice(0)) frame.remove();
});

/** The page in a window of its own. Its file is whole, so that nothing but what it holds is there. */
async function open(html: string, width: number): Promise<Document> {
  const frame = document.createElement('iframe');
  frame.style.width = `${width}px`;
  frame.style.height = '800px';
  frames.push(frame);
  const loaded = new Promise((resolve) => frame.addEventListener('load', resolve));
  frame.srcdoc = html;
  document.body.append(frame);
  await loaded;
  if (frame.contentDocument === null) throw new Error('the frame has no document');
  return frame.contentDocument;
}

function pageOf(report = sampleReport()): string {
  const file = reportFiles(report).find(({ path }) => path === 'report.html');
  return new TextDecoder().decode(file?.bytes);
}

test('hostile text is text: no script runs, nothing is asked of the network', async () => {
  const report = sampleReport();
  const hostile =
    '</style></title><script>parent.postMessage("ran", "*")</script><img src="/asked" onerror="parent.postMessage(1,\'*\')">';
  const messages: unknown[] = [];
  const listen = ({ data }: MessageEvent) => messages.push(data);
  window.addEventListener('message', listen);
  const page = await open(
    pageOf({
      ...report,
      title: hostile,
      arms: report.arms.map((arm) => ({ ...arm, name: hostile })),
      samples: [{ prompt: hostile, answers: [{ arm: 'sft', text: hostile }] }],
    }),
    1000,
  );
  await new Promise((resolve) => setTimeout(resolve, 100));
  window.removeEventListener('message', listen);
  expect(messages).toEqual([]);
  expect(page.querySelectorAll('script, img, link, iframe')).toHaveLength(0);
  expect(page.title).toContain('<script>');
  expect(page.querySelector('.lr-prompt')?.textContent).toBe(hostile);
  expect(page.defaultView?.performance.getEntriesByType('resource')).toEqual([]);
});

test.each([400, 1280])(
  'at %i pixels nothing is cut off and the page does not scroll sideways',
  async (width) => {
    const page = await open(pageOf(), width);
    expect(page.documentElement.scrollWidth).toBeLessThanOrEqual(width);
    // Styles are there: without them every picture would be black on nothing.
    const bar = page.querySelector('.lr-bar');
    expect(bar && page.defaultView?.getComputedStyle(bar).stroke).toMatch(/^rgb/);
    for (const text of page.querySelectorAll('.lr-plot text')) {
      const { left, right } = text.getBoundingClientRect();
      expect(left, text.textContent).toBeGreaterThanOrEqual(0);
      expect(right, text.textContent).toBeLessThanOrEqual(width);
    }
  },
);

test('what the parser makes of the page is what was written', async () => {
  const html = pageOf();
  const page = await open(html, 1280);
  // The same by the rules of XML, which forgive nothing.
  const xml = html
    .replace(/^<!doctype html>\s*/, '')
    .replace('<html ', '<html xmlns="http://www.w3.org/1999/xhtml" ')
    .replace(/<style>[\s\S]*<\/style>/, '');
  const strict = new DOMParser().parseFromString(xml, 'application/xhtml+xml');
  expect(strict.querySelector('parsererror')?.textContent).toBeUndefined();
  expect(strict.querySelector('main')?.textContent).toBe(page.querySelector('main')?.textContent);
});
