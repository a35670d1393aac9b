import Papa from 'papaparse';
import { expect, test } from 'vitest';
import { type Figure, type LabReport, MEASURES } from '../../src/lab/types.ts';
import { defaultConfig } from '../../src/pipeline/config.ts';
import { reportFiles } from '../../src/report/files.ts';
import { sampleReport } from '../fixtures/lab-report.ts';
import { figureOf } from '../fixtures/lab-report-figures.ts';
import { wellFormed } from '../fixtures/well-formed.ts';

/** Of the files, in UTF-8. */
function texts(report: LabReport): (path: string) => string {
  const files = new Map(
    reportFiles(report).map(({ path, bytes }) => [path, new TextDecoder().decode(bytes)]),
  );
  return (path) => {
    const text = files.get(path);
    if (text === undefined) throw new Error(`no ${path}`);
    return text;
  };
}

/** Rows of a CSV, as a program that expects numbers reads them. */
function rows(text: string): Record<string, unknown>[] {
  const { data, errors } = Papa.parse<Record<string, unknown>>(text, {
    header: true,
    dynamicTyping: true,
    skipEmptyLines: true,
  });
  expect(errors).toEqual([]);
  return data;
}

const report = sampleReport();
const file = texts(report);
const html = file('report.html');
const markdown = file('report.md');

/** What a reader sees of the page, runs of space as one. */
const seen = wellFormed(html).text.replace(/[\s\u00a0]+/g, ' ');

test('the files of a report are named and none is empty', () => {
  expect(reportFiles(report).map(({ path }) => path)).toEqual([
    'report.html',
    'report.md',
    'report.json',
    'arms.csv',
    'curves.csv',
    'histograms.csv',
    'samples.csv',
    'timings.csv',
  ]);
  for (const { bytes } of reportFiles(report)) expect(bytes.length).toBeGreaterThan(40);
});

test('report.json is the report', () => {
  expect(JSON.parse(file('report.json'))).toEqual(report);
});

test('the page says claims, figures with their intervals and n, signs, settings and fingerprints', () => {
  for (const part of [
    'Of 3 claims tested on word-helper, 1 holds, 1 fails and 1 stays unclear.',
    'Best of the arms is “a = 75 %” with 66.0 % correct answers, +4.8 points (+2.3 to +7.3) against SFT.',
    'holdsMore negatives help, up to 16.',
    'failed in part: seed 2: the device was lost',
    'SFT · k = 1mouseswrongsimilarity 0.840',
    'k = 8 · a = 75 %micecorrectsimilarity 1.000',
    'failed: the loss is not a number after step 12: lower dpo.learningRate',
    '65.9 %59.8 to 72.0+4.7 points better+2.1 to +7.252.3 %',
    '150 × 3 seeds',
    'k = 8 against SFT21 won, 11 tied, 8 lost66.3 %50.8 to 78.840',
    'Area under the ROC curve 0.893 (0.882 to 0.904), n = 10,151',
    'Set dpo.ftx to 0.1, which keeps the targets likely.',
    'Threshold: the targets lose more than 0.5 a token.',
    'filter.percent75',
    report.data.fingerprint,
    'all together13 min 33 s',
  ]) {
    expect(seen).toContain(part);
  }
});

test('every figure of the sample report is on the page', () => {
  for (const arm of report.arms) {
    const accuracy = arm.figures.accuracy;
    if (accuracy) expect(seen).toContain(`${(accuracy.value * 100).toFixed(1)} %`);
    const tokens = arm.figures.tokens;
    if (tokens) expect(seen).toContain(`${tokens.low.toFixed(2)} to ${tokens.high.toFixed(2)}`);
  }
});

test('the page needs nothing else and runs nothing', () => {
  const { elements } = wellFormed(html);
  const names = new Set(elements.map(({ name }) => name));
  for (const name of ['script', 'link', 'img', 'iframe', 'object', 'form', 'base', 'a']) {
    expect(names).not.toContain(name);
  }
  const attributes = elements.flatMap((element) => [...element.attributes]);
  for (const [name, value] of attributes) {
    expect(name).not.toMatch(/^on|^src$|^href$|^style$/);
    // Patterns of the same page are the only addresses.
    if (/url\(/.test(value)) expect(value).toMatch(/^url\(#[\w-]+\)$/);
  }
  expect(html).not.toMatch(/@import|url\((?!#)/);
  expect(html).toContain('default-src &apos;none&apos;'.replaceAll('&apos;', "'"));
  // The styles are really in it.
  expect(html).toContain('.lr-forest {');
  expect(html).toContain('--accent:');
});

test('every picture has a text that says it, or is hidden beside one', () => {
  const pictures = wellFormed(html).elements.filter(({ name }) => name === 'svg');
  expect(pictures.length).toBeGreaterThan(20);
  for (const { attributes } of pictures) {
    const label = attributes.get('aria-label') ?? '';
    if (attributes.get('aria-hidden') !== 'true') {
      expect(attributes.get('role')).toBe('img');
      expect(label.length).toBeGreaterThan(10);
    }
  }
  const [curve] = pictures.filter(({ attributes }) =>
    /negatives a prompt/.test(attributes.get('aria-label') ?? ''),
  );
  expect(curve?.attributes.get('aria-label')).toContain('8: 65.9 % (59.8 to 72.0), n = 150 × 3 seeds');
});

test('texts that are not ours stay text', () => {
  expect(seen).toContain('Past tense of <script>alert("go")</script> | with a pipe and a second line');
  expect(seen).toContain('<img src=x onerror=alert(1)>');
  expect(html).not.toContain('<script');
  const hostile = '</style><script>alert(1)</script>"\'><svg onload=alert(2)>\0\u202e\ud800';
  const all = texts({
    ...report,
    title: hostile,
    data: { ...report.data, name: hostile },
    arms: report.arms.map((arm) => ({ ...arm, name: hostile, error: hostile })),
    plans: report.plans.map((plan) => ({ ...plan, title: hostile, question: hostile, claim: hostile })),
    curves: report.curves.map((curve) => ({ ...curve, title: hostile, axis: hostile })),
    findings: report.findings.map((finding) => ({ ...finding, claim: hostile, text: hostile })),
    signs: report.signs.map((sign) => ({ ...sign, title: hostile, evidence: hostile, suggestion: hostile })),
    duels: report.duels.map((duel) => ({ ...duel, judge: hostile })),
    samples: [{ prompt: hostile, target: hostile, answers: [{ arm: 'k8', text: hostile }] }],
    timings: [{ label: hostile, seconds: 1 }],
    versions: { [hostile]: hostile },
  });
  const plain = wellFormed(html).elements.map(({ name }) => name);
  const names = new Set(wellFormed(all('report.html')).elements.map(({ name }) => name));
  expect([...names].filter((name) => !plain.includes(name))).toEqual([]);
  expect(all('report.html')).not.toMatch(/<script|\0/);
  // Outside of fences nothing of it is a tag either.
  expect(all('report.md').replace(/^(`{3,})text\n[\s\S]*?\n\1$/gm, '')).not.toMatch(/<\w|<\//);
});

test('Markdown keeps its tables, and its fences hold what is in them', () => {
  const lines = markdown.split('\n');
  const table = lines.slice(lines.findIndex((line) => line.startsWith('| Arm |')));
  const end = table.findIndex((line) => !line.startsWith('|'));
  expect(end).toBe(report.arms.length + 2);
  for (const line of table.slice(0, end)) {
    expect(line.replace(/\\\|/g, '').split('|')).toHaveLength(7);
  }
  // The answer with a fence of its own lies within a longer one.
  expect(markdown).toContain('````text\n```\n# not a heading\n```\n\n````');
  const outside = markdown.replace(/^(`{3,})text\n[\s\S]*?\n\1$/gm, '');
  expect(outside).not.toMatch(/https?:\/\//);
  expect(outside.split('\n').filter((line) => line.startsWith('# '))).toHaveLength(1);
});

const read = (row: Record<string, unknown> | undefined, name: string): Figure => ({
  value: Number(row?.[name]),
  low: Number(row?.[`${name}_low`]),
  high: Number(row?.[`${name}_high`]),
  n: Number(row?.[`${name}_n`]),
  seeds: Number(row?.[`${name}_seeds`]),
  method: 'bootstrap',
});

test('arms.csv read back gives the figures', () => {
  const data = rows(file('arms.csv'));
  expect(data.map((row) => row.arm)).toEqual(report.arms.map(({ id }) => id));
  for (const arm of report.arms) {
    const row = data.find((each) => each.arm === arm.id);
    expect(row).toMatchObject({ name: arm.name, state: arm.state, steps: arm.steps, pairs: arm.pairs });
    for (const measure of MEASURES) {
      const [figure, gain] = [arm.figures[measure], arm.gain[measure]];
      if (figure) expect(read(row, measure)).toEqual(figure);
      if (gain) expect(read(row, `${measure}_gain`)).toEqual(gain);
      for (const [i, seed] of report.seeds.entries()) {
        const value = arm.perSeed[measure]?.[i];
        if (value !== undefined) expect(row?.[`${measure}_seed_${seed}`]).toBe(value);
      }
    }
  }
  expect(data.filter((row) => row.reference === true).map((row) => row.arm)).toEqual(['sft']);
});

test('curves.csv, histograms.csv, samples.csv and timings.csv read back give what is drawn', () => {
  const curves = rows(file('curves.csv'));
  for (const { plan, measure, points, reference } of report.curves) {
    const own = curves.filter((row) => row.plan === plan && row.measure === measure);
    expect(own.map(({ x, value, low, high }) => [x, value, low, high])).toEqual([
      ...points.map(({ x, figure: { value, low, high } }) => [x, value, low, high]),
      [null, reference?.figure.value, reference?.figure.low, reference?.figure.high],
    ]);
  }
  const noise = curves.filter((row) => row.measure === 'gradient_noise').map(({ x, value }) => [x, value]);
  expect(noise).toEqual(
    report.diagnosis.gradient?.points.map(({ negatives, noise: { value } }) => [negatives, value]),
  );
  const histogram = report.diagnosis.falseNegatives?.histogram;
  for (const { name, counts } of histogram?.series ?? []) {
    const own = rows(file('histograms.csv')).filter((row) => row.series === name);
    expect(own.map((row) => row.count)).toEqual(counts);
  }
  expect(rows(file('samples.csv'))).toHaveLength(11);
  expect(rows(file('timings.csv')).at(-1)).toEqual({ piece: 'all together', seconds: report.seconds });
});

test('a spreadsheet runs no formula of an answer, and negative figures stay numbers', () => {
  const answers = rows(file('samples.csv')).map((row) => row.answer);
  expect(answers).toContain("'=SUM(A1:A9) `code` **bold** [a](https://example.org)");
  expect(rows(file('arms.csv')).find((row) => row.arm === 'base')?.accuracy_gain).toBe(-0.398);
});

const empty: LabReport = {
  ...report,
  plans: [],
  findings: [],
  arms: [],
  curves: [],
  histograms: [],
  duels: [],
  samples: [],
  diagnosis: {},
  signs: [],
  armSettings: [],
  seeds: [1],
  timings: [],
  seconds: 0,
  model: undefined,
  device: undefined,
  embedder: undefined,
};

test('a report of nothing yet is whole, and says so', () => {
  const all = texts(empty);
  const words = wellFormed(all('report.html')).text;
  expect(words).toContain('No arm has been measured yet.');
  expect(words).not.toMatch(/undefined|NaN|Gains|Curves|Signs of failure/);
  expect(all('report.md')).not.toMatch(/undefined|NaN/);
  expect(rows(all('arms.csv'))).toEqual([]);
});

test('figures that are no numbers are shown as none', () => {
  const broken = figureOf(Number.NaN, 1);
  const all = texts({
    ...report,
    arms: report.arms.map((arm) => ({ ...arm, figures: { accuracy: broken }, gain: { accuracy: broken } })),
    curves: report.curves.map((curve) => ({
      ...curve,
      points: curve.points.map((point) => ({ ...point, figure: broken })),
    })),
    diagnosis: { gradient: { points: [{ negatives: 1, noise: broken }], verdict: 'No gradient.' } },
  });
  for (const path of ['report.html', 'report.md', 'arms.csv', 'curves.csv']) {
    expect(all(path)).not.toMatch(/NaN|Infinity/);
  }
});

test('a gradient that was not measured says so, and nothing else', () => {
  const all = texts({
    ...report,
    diagnosis: { gradient: { points: [], verdict: 'Not measured: too few.' } },
  });
  const words = wellFormed(all('report.html')).text;
  expect(words).toContain('Not measured: too few.');
  expect(words).not.toContain('balanced pairs');
  expect(all('report.md')).not.toContain('| k |');
});

test('an arm that only equals the reference is not called better', () => {
  const sft = report.arms.find(({ id }) => id === report.reference);
  if (sft === undefined) throw new Error('no reference');
  const same = { ...sft, id: 'same', name: 'the same', gain: { accuracy: figureOf(0, 0.01) } };
  const words = wellFormed(texts({ ...report, arms: [same, sft] })('report.html')).text;
  expect(words).toContain('Best of the arms is “SFT”');
});

test('what a reader must know before trusting the figures is said first', () => {
  const note = (changes: Partial<LabReport>) =>
    wellFormed(texts({ ...report, ...changes })('report.html')).text;
  expect(note({ split: 'final', looks: 2 })).toContain('had been looked at 2 times before');
  expect(note({ seeds: [1] })).toContain('1 seed only');
  expect(note({})).toContain('1 arm failed and is left out: SPIN, 1 iteration.');
  expect(note({ config: { ...defaultConfig(), seed: 7 } })).toContain('seed7 (default 1)');
});
