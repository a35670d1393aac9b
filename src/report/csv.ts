/** The figures of a report as tables for other tools. Numbers are whole, not as the page rounds them. Pure. */
import Papa from 'papaparse';
import { type Figure, type LabReport, MEASURES } from '../lab/types.ts';

type Cell = string | number | boolean | null;
type Row = Readonly<Record<string, Cell>>;

const number = (value: number): number | null => (Number.isFinite(value) ? value : null);

/** Empty where there is no figure, so that every row has the same columns. */
function columns(name: string, figure: Figure | undefined): Row {
  return {
    [name]: figure ? number(figure.value) : null,
    [`${name}_low`]: figure ? number(figure.low) : null,
    [`${name}_high`]: figure ? number(figure.high) : null,
    [`${name}_n`]: figure ? figure.n : null,
    [`${name}_seeds`]: figure ? figure.seeds : null,
  };
}

/**
 * RFC 4180 with a header, in UTF-8 with the mark that spreadsheets ask for. Texts that a spreadsheet would take for a
 * formula begin with an apostrophe; report.json has them as they are.
 */
function table(fields: readonly string[], rows: readonly Row[]): string {
  const data = rows.map((row) => fields.map((field) => row[field] ?? null));
  return `\ufeff${Papa.unparse({ fields: [...fields], data }, { escapeFormulae: true, newline: '\r\n' })}\r\n`;
}

const fieldsOf = (rows: readonly Row[]): string[] => [...new Set(rows.flatMap((row) => Object.keys(row)))];

const ARM_FIELDS = [
  'arm',
  'name',
  'state',
  'error',
  'settings',
  'steps',
  'pairs',
  'trained_tokens',
  'seconds',
];

/** A row an arm: every measure with its interval, its paired gain over the reference, and each seed's value. */
export function armsCsv(report: LabReport): string {
  const settings = new Map(report.armSettings.map(({ arm, text }) => [arm, text]));
  const measures = MEASURES.filter((measure) => report.arms.some(({ figures }) => figures[measure]));
  const rows = report.arms.map((arm): Row => {
    const figures = measures.map((measure) => ({
      ...columns(measure, arm.figures[measure]),
      ...columns(`${measure}_gain`, arm.gain[measure]),
      ...Object.fromEntries(
        report.seeds.map((seed, i) => [`${measure}_seed_${seed}`, arm.perSeed[measure]?.[i] ?? null]),
      ),
    }));
    return {
      arm: arm.id,
      name: arm.name,
      state: arm.state,
      seed_states: arm.seedStates?.join(' ') ?? null,
      error: arm.error ?? null,
      settings: settings.get(arm.id) ?? null,
      steps: arm.steps,
      pairs: arm.pairs,
      trained_tokens: arm.trainedTokens,
      seconds: number(arm.seconds),
      reference: arm.id === report.reference,
      ...columns('win_rate', arm.winRate),
      ...Object.assign({}, ...figures),
    };
  });
  return table(rows.length > 0 ? fieldsOf(rows) : ARM_FIELDS, rows);
}

/** A row a point, the diagnosis' curves included; the reference has no x. */
export function curvesCsv({ curves, diagnosis }: LabReport): string {
  const fields = ['plan', 'axis', 'measure', 'x', 'arm', 'value', 'low', 'high', 'n', 'seeds', 'method'];
  const cells = ({ value, low, high, n, seeds, method }: Figure): Row => ({
    value: number(value),
    low: number(low),
    high: number(high),
    n,
    seeds,
    method,
  });
  const rows: Row[] = curves.flatMap(({ plan, axis, measure, points, reference }) => [
    ...points.map(({ x, arm, figure }) => ({ plan, axis, measure, x, arm, ...cells(figure) })),
    ...(reference ? [{ plan, axis, measure, x: null, arm: reference.name, ...cells(reference.figure) }] : []),
  ]);
  for (const { percent, share } of diagnosis.falseNegatives?.byPercent ?? []) {
    rows.push({
      plan: 'diagnosis',
      axis: 'share of answers kept (a%)',
      measure: 'false_negatives',
      x: percent,
      arm: null,
      ...cells(share),
    });
  }
  for (const { negatives, noise, draw, cosine } of diagnosis.gradient?.points ?? []) {
    const at = { plan: 'diagnosis', axis: 'negatives a prompt (k)', x: negatives, arm: null };
    rows.push({ ...at, measure: 'gradient_noise', ...cells(noise) });
    if (draw) rows.push({ ...at, measure: 'gradient_noise_of_draw', ...cells(draw) });
    if (cosine) rows.push({ ...at, measure: 'gradient_cosine', ...cells(cosine) });
  }
  return table(fields, rows);
}

/** A row a bin and series. */
export function histogramsCsv({ histograms, diagnosis }: LabReport): string {
  const all = [...histograms, ...(diagnosis.falseNegatives ? [diagnosis.falseNegatives.histogram] : [])];
  const rows = all.flatMap(({ title, axis, low, width, series }) =>
    series.flatMap(({ name, counts }) =>
      counts.map(
        (count, bin): Row => ({
          histogram: title,
          axis,
          series: name,
          from: number(low + bin * width),
          to: number(low + (bin + 1) * width),
          count,
        }),
      ),
    ),
  );
  return table(['histogram', 'axis', 'series', 'from', 'to', 'count'], rows);
}

/** A row an answer. */
export function samplesCsv({ samples }: LabReport): string {
  const rows = samples.flatMap(({ prompt, target, answers }, index) =>
    answers.map(
      ({ arm, text, correct, similarity }): Row => ({
        row: index + 1,
        prompt,
        target: target ?? null,
        arm,
        answer: text,
        correct: correct ?? null,
        similarity: similarity === undefined ? null : number(similarity),
      }),
    ),
  );
  return table(['row', 'prompt', 'target', 'arm', 'answer', 'correct', 'similarity'], rows);
}

export function timingsCsv({ timings, seconds }: LabReport): string {
  const rows = [...timings, { label: 'all together', seconds }].map(
    (each): Row => ({ piece: each.label, seconds: number(each.seconds) }),
  );
  return table(['piece', 'seconds'], rows);
}
