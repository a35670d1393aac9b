/** The report in Markdown: the page's order and words, with tables of figures in place of its pictures. Pure. */
import { count, duration, plural } from '../lab/format.ts';
import { gainText, MEASURE_INFO, measured, withInterval } from '../lab/measures.ts';
import type { ArmRow, Figure, LabReport, Measure } from '../lab/types.ts';
import { originOf, settingsOf } from './about.tsx';
import { measuresOf } from './arms.tsx';
import { lines, MARK, md, mdQuote, mdTable } from './markdown-text.ts';
import { diagnosisMarkdown, signsMarkdown } from './markdown-why.ts';
import { apart, armName, basis } from './marks.tsx';
import { answersOf } from './samples.tsx';
import { moment, shortened } from './text.ts';
import { answerOf, basisOf, methodOf, notesOf } from './words.ts';

export function reportMarkdown(report: LabReport): string {
  const parts = [
    head(report),
    asked(report),
    arms(report),
    curves(report),
    duels(report),
    samples(report),
    diagnosisMarkdown(report),
    signsMarkdown(report),
    method(report),
  ];
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

function head(report: LabReport): string {
  return lines(
    `# ${md(report.title)}`,
    `${moment(report.created)} · ${md(basisOf(report))}`,
    `**${md(answerOf(report))}**`,
    findings(report),
    notesOf(report)
      .map((note) => `> ${md(note)}`)
      .join('\n>\n'),
  );
}

function findings({ findings: all, plans }: LabReport): string {
  const ids = [...new Set(all.map(({ plan }) => plan))];
  return lines(
    ...ids.flatMap((id) => [
      ids.length > 1 ? md(plans.find((plan) => plan.id === id)?.title ?? id) : '',
      all
        .filter(({ plan }) => plan === id)
        .map(({ claim, verdict, text }) => `- ${MARK[verdict]} **${verdict}**: ${md(claim)} ${md(text)}`)
        .join('\n'),
    ]),
  );
}

function asked(report: LabReport): string {
  if (report.plans.length === 0) return '';
  const items = report.plans.map((plan) => {
    const claim = plan.claim === undefined ? '' : ` The paper’s claim: ${md(plan.claim)}`;
    const names = plan.arms.map((id) => md(armName(report, id))).join(' · ');
    return `- **${md(plan.question)}**${claim} Compared: ${names}`;
  });
  return lines('## What was asked', items.join('\n'));
}

const cell = (measure: Measure, value: Figure | undefined): string =>
  value === undefined ? '–' : withInterval(measure, value);

function stateText({ state, error }: ArmRow): string {
  if (error === undefined) return state === 'done' ? '' : ` (${state})`;
  return ` (${state === 'failed' ? 'failed' : 'failed in part'}: ${md(error)})`;
}

function arms(report: LabReport): string {
  if (report.arms.length === 0) return '';
  const { mainMeasure: main, reference } = report;
  const name = (arm: ArmRow) => md(armName(report, arm.id));
  const gain = (arm: ArmRow) => {
    const value = arm.gain[main];
    if (arm.id === reference) return 'reference';
    return value ? `${gainText(main, value)}, ${apart(main, value)}` : '–';
  };
  const rows = report.arms.map((arm) => {
    const own = arm.figures[main];
    const state = stateText(arm);
    return [
      `${name(arm)}${state}`,
      cell(main, own),
      gain(arm),
      cell('winRateTarget', arm.winRate),
      own ? basis(own) : '–',
    ];
  });
  const head = ['Arm', MEASURE_INFO[main].name, `gain over ${md(armName(report, reference))}`, 'wins', 'n'];
  const measures = measuresOf(report);
  const all = report.arms
    .filter(({ figures }) => Object.keys(figures).length > 0)
    .map((arm) => [name(arm), ...measures.map((measure) => cell(measure, arm.figures[measure]))]);
  return lines(
    '## The arms',
    'In brackets are 95 % intervals. A gain is paired by prompt and seed; it is unclear where its interval holds zero.',
    mdTable(head, rows),
    measures.length > 1 ? '### All measures' : '',
    measures.length > 1
      ? mdTable(['Arm', ...measures.map((measure) => MEASURE_INFO[measure].name)], all)
      : '',
    measures.length > 1
      ? measures.map((measure) => `- ${MEASURE_INFO[measure].name}: ${MEASURE_INFO[measure].help}`).join('\n')
      : '',
  );
}

function curves(report: LabReport): string {
  if (report.curves.length === 0) return '';
  const each = report.curves.flatMap(({ title, axis, measure, points, reference }) => [
    `### ${md(title)}`,
    mdTable(
      [md(axis), MEASURE_INFO[measure].label, 'n'],
      [
        ...points.map(({ x, figure: value }) => [String(x), cell(measure, value), basis(value)]),
        ...(reference
          ? [[md(reference.name), cell(measure, reference.figure), basis(reference.figure)]]
          : []),
      ],
    ),
  ]);
  return lines('## Curves', ...each);
}

function duels(report: LabReport): string {
  if (report.duels.length === 0) return '';
  const rows = report.duels.map(({ judge, armA, armB, wins, ties, losses, winRate }) => [
    md(judge),
    `${md(armName(report, armA))} against ${md(armName(report, armB))}`,
    `${wins} / ${ties} / ${losses}`,
    withInterval('winRateTarget', winRate),
    count(winRate.n),
  ]);
  return lines(
    '## Judged side by side',
    mdTable(['Judge', 'Arms', 'won / tied / lost', 'win rate, ties half', 'n'], rows),
  );
}

function samples(report: LabReport): string {
  if (report.samples.length === 0) return '';
  const quote = (text: string) => {
    if (text.trim() === '') return '(empty)';
    const { text: shown, more } = shortened(text);
    return lines(mdQuote(shown), more > 0 ? `… ${count(more)} more characters` : '');
  };
  const each = report.samples.flatMap((row, i) => {
    const { shown, left } = answersOf(row);
    return [
      `### Prompt ${i + 1}`,
      quote(row.prompt),
      ...(row.target === undefined ? [] : ['target:', quote(row.target)]),
      ...shown.flatMap(({ arms, text, correct, similarity }) => {
        const scores = [
          correct === undefined ? '' : correct ? '✔ correct' : '✘ wrong',
          similarity === undefined ? '' : `similarity ${measured('similarity', similarity)}`,
        ].filter((part) => part !== '');
        const names = arms.map((arm) => md(armName(report, arm))).join(' · ');
        return [`${names}${scores.length > 0 ? ` (${scores.join(', ')})` : ''}:`, quote(text)];
      }),
      left > 0 ? `${plural(left, 'other arm')} in samples.csv.` : '',
    ];
  });
  return lines('## Answers beside each other', ...each);
}

function method(report: LabReport): string {
  const what = new Map(report.armSettings.map(({ arm, text }) => [arm, text]));
  return lines(
    '## How it was computed',
    ...methodOf(report).map(md),
    report.arms.length === 0
      ? ''
      : mdTable(
          ['Arm', 'how it comes about', 'steps', 'pairs', 'tokens trained on', 'time'],
          report.arms.map((arm) => [
            md(armName(report, arm.id)),
            md(what.get(arm.id) ?? ''),
            count(arm.steps),
            count(arm.pairs),
            count(arm.trainedTokens),
            arm.seconds === 0 ? '–' : duration(arm.seconds),
          ]),
        ),
    '### Made of',
    mdTable(
      ['what', 'value'],
      originOf(report).map(({ what: name, value }) => [md(name), md(value)]),
      false,
    ),
    '### Settings that all arms share',
    mdTable(
      ['setting', 'value'],
      settingsOf(report.config).map(({ key, value, usual }) => [
        md(key),
        md(usual === undefined ? value : `${value} (default ${usual})`),
      ]),
      false,
    ),
    '### Time',
    mdTable(
      ['piece', 'time'],
      [...report.timings, { label: 'all together', seconds: report.seconds }].map((each) => [
        md(each.label),
        duration(each.seconds),
      ]),
    ),
  );
}
