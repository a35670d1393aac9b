/** What is printed at the end of a lab, or of its --check. */
import type { TakenVerdicts } from '../../src/app/headless-lab.ts';
import { plural } from '../../src/lab/format.ts';
import { gainText, MEASURE_INFO, measured, withInterval } from '../../src/lab/measures.ts';
import type { ArmRow, ArmSpec, LabEstimate, LabReport, Measure, PlanInfo } from '../../src/lab/types.ts';
import { estimateText, signText } from './lab-progress.ts';
import { duration } from './progress.ts';
import { table } from './summary.ts';

/** Shown without their intervals beside the main measure: the report has all. */
const BESIDE: readonly Measure[] = [
  'accuracy',
  'reward',
  'winRateTarget',
  'similarity',
  'perplexity',
  'tokens',
];

/** The table of arms, the findings, and the signs that were seen. */
export function labSummary(report: LabReport): string {
  const { mainMeasure, arms, findings, signs, seeds, data, split, seconds } = report;
  const info = MEASURE_INFO[mainMeasure];
  const beside = BESIDE.filter((each) => each !== mainMeasure && arms.some(({ figures }) => figures[each]));
  const prompts = split === 'final' ? data.final : data.working;
  const reference = arms.find(({ id }) => id === report.reference);
  return [
    `${prompts} held-out prompts${split === 'final' ? ' of the final split' : ''}, ${plural(seeds.length, 'seed')}; 95 % intervals`,
    ...table([
      [
        '',
        info.name,
        `less ${reference?.name ?? report.reference}`,
        ...beside.map((each) => MEASURE_INFO[each].name),
      ],
      ...arms.map((arm) => [arm.name, ...row(arm, mainMeasure, report.reference, beside)]),
    ]),
    ...arms.flatMap(({ name, error }) => (error === undefined ? [] : [`${name} failed: ${error}`])),
    ...findings.map(({ verdict, claim, text }) => `${WORDS[verdict]}: ${claim} ${text}`),
    ...signs
      .filter(({ state }) => state === 'seen')
      .map((sign) =>
        signText(
          sign,
          [sign.arm, sign.seed].filter((each) => each !== undefined).join(', seed ') || 'the lab',
        ),
      ),
    `Time: ${duration(seconds)}`,
  ].join('\n');
}

const WORDS = { holds: 'Holds', fails: 'Fails', unclear: 'Unclear' } as const;

function row(arm: ArmRow, main: Measure, reference: string, beside: readonly Measure[]): string[] {
  const figure = arm.figures[main];
  const gain = arm.id === reference ? undefined : arm.gain[main];
  return [
    figure ? withInterval(main, figure) : arm.state,
    gain ? gainText(main, gain) : '-',
    ...beside.map((each) => {
      const value = arm.figures[each]?.value;
      return value === undefined ? '-' : measured(each, value);
    }),
  ];
}

/** Arms and what they share, what it would take, and whether it can start. */
export function labCheckText(
  estimate: LabEstimate,
  plans: readonly PlanInfo[],
  arms: readonly ArmSpec[],
  seeds: number,
): string {
  const { data } = estimate;
  const ids = new Map(arms.map(({ id, name }) => [id, name]));
  const kinds = new Map<string, { count: number; seconds: number }>();
  for (const { kind, seconds } of estimate.pieces) {
    const before = kinds.get(kind) ?? { count: 0, seconds: 0 };
    kinds.set(kind, { count: before.count + 1, seconds: before.seconds + seconds });
  }
  return [
    ...(data === undefined ? [] : [promptsText(data)]),
    ...plans.map(
      ({ title, question, arms: own }) =>
        `${title}: ${question} ${own.map((id) => ids.get(id) ?? id).join('; ')}`,
    ),
    `${plural(arms.length, 'arm')} with ${plural(seeds, 'seed')} share ${plural(estimate.pieces.length, 'piece')} of work:`,
    ...table([...kinds].map(([kind, { count, seconds }]) => [`  ${kind}`, String(count), duration(seconds)])),
    ...estimateText(estimate),
  ].join('\n');
}

function promptsText({ train, working, final }: NonNullable<LabEstimate['data']>): string {
  const last = final > 0 ? `, ${final} kept for the last look` : '';
  return `Prompts: ${train} to train on, ${working} held out${last}`;
}

export function verdictsText({ judge, taken, refused }: TakenVerdicts): string {
  return [
    `Verdicts of ${judge}: ${taken} taken, ${refused.length} refused`,
    ...refused.slice(0, 20).map(({ line, reason }) => `  line ${line}: ${reason}`),
    ...(refused.length > 20 ? [`  ... and ${refused.length - 20} more`] : []),
  ].join('\n');
}
