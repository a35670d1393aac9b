/** What a report says in sentences, the same on the page and in Markdown. Pure. */
import { count, plural } from '../lab/format.ts';
import { gainText, MEASURE_INFO, measured } from '../lab/measures.ts';
import type { ArmRow, Figure, LabReport } from '../lab/types.ts';

const nameOf = (report: LabReport, id: string): string =>
  report.arms.find((arm) => arm.id === id)?.name ?? id;

/** The answer in a few sentences: how many claims hold, and which arm does best by how much. */
export function answerOf(report: LabReport): string {
  return [claims(report), best(report)].filter((part) => part !== '').join(' ');
}

function claims({ findings, data }: LabReport): string {
  if (findings.length === 0) return '';
  const of = (verdict: LabReport['findings'][number]['verdict']) =>
    findings.filter((finding) => finding.verdict === verdict).length;
  const [holds, fails, unclear] = [of('holds'), of('fails'), of('unclear')];
  const parts = [
    holds > 0 && `${holds} ${holds === 1 ? 'holds' : 'hold'}`,
    fails > 0 && `${fails} ${fails === 1 ? 'fails' : 'fail'}`,
    unclear > 0 && `${unclear} ${unclear === 1 ? 'stays' : 'stay'} unclear`,
  ].filter((part) => part !== false);
  const list =
    parts.length < 3 ? parts.join(' and ') : `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`;
  return `Of ${plural(findings.length, 'claim')} tested on ${data.name}, ${list}.`;
}

function best(report: LabReport): string {
  const { mainMeasure: main, reference } = report;
  const lower = MEASURE_INFO[main].higherIsBetter === false;
  const measuredArms = report.arms.flatMap((arm) => {
    const figure = arm.figures[main];
    return figure && Number.isFinite(figure.value) ? [{ arm, figure }] : [];
  });
  // The reference comes first: an arm that only equals it is not better.
  const [first, ...rest] = measuredArms.sort(
    (a, b) => Number(b.arm.id === reference) - Number(a.arm.id === reference),
  );
  if (first === undefined) return 'No arm has been measured yet.';
  const better = (a: number, b: number) => (lower ? a < b : a > b);
  const top = rest.reduce((a, b) => (better(b.figure.value, a.figure.value) ? b : a), first);
  const label = MEASURE_INFO[main].label;
  const value = measured(main, top.figure.value);
  const gain = top.arm.gain[main];
  const beside = top.arm.id === reference || !gain ? '' : `, ${against(report, top.arm, gain)}`;
  const doubt =
    measuredArms.length > 2 && gain
      ? ' The best of several is chosen by its figure, so expect a little less of it on new prompts.'
      : '';
  return `Best of the arms is “${top.arm.name}” with ${value} ${label}${beside}.${doubt}`;
}

function against(report: LabReport, _arm: ArmRow, gain: Figure): string {
  const sure = gain.low > 0 || gain.high < 0 ? '' : ', which may be chance';
  return `${gainText(report.mainMeasure, gain)} against ${nameOf(report, report.reference)}${sure}`;
}

/** What the reader should know before trusting the figures. */
export function notesOf(report: LabReport): string[] {
  const { split, looks, arms, seeds, data } = report;
  const notes: string[] = [];
  if (split === 'final' && looks > 0) {
    notes.push(
      `The final prompts had been looked at ${plural(looks, 'time')} before: choices made since then make these figures too good.`,
    );
  }
  if (split === 'working' && data.final > 0) {
    notes.push(
      `These are the working prompts, which may be looked at often. ${count(data.final)} others are set aside for one last look${looks > 0 ? `; they have been looked at ${plural(looks, 'time')}` : ''}.`,
    );
  }
  const failed = arms.filter(({ state }) => state === 'failed');
  const open = arms.filter(({ state }) => state === 'waiting' || state === 'running');
  if (failed.length > 0) {
    notes.push(
      `${plural(failed.length, 'arm')} failed and ${failed.length === 1 ? 'is' : 'are'} left out: ${failed.map(({ name }) => name).join(', ')}.`,
    );
  }
  const partly = arms.filter(({ state, error }) => state !== 'failed' && error !== undefined);
  if (partly.length > 0) {
    notes.push(
      `Seeds failed in ${plural(partly.length, 'arm')}, which rest on the others: ${partly.map(({ name }) => name).join(', ')}.`,
    );
  }
  if (open.length > 0)
    notes.push(`${plural(open.length, 'arm')} not finished yet: ${open.map(({ name }) => name).join(', ')}.`);
  if (seeds.length < 3) {
    notes.push(
      `${plural(seeds.length, 'seed')} only: how much training itself varies is hardly known. Three or more are better.`,
    );
  }
  return notes;
}

/** What was measured on what: 'On 150 held-out prompts, 8 answers each, 3 seeds.' */
export function basisOf(report: LabReport): string {
  const { data, split, samplesAPrompt, seeds } = report;
  const prompts = split === 'working' ? data.working : data.final;
  const kind = split === 'working' ? 'held-out prompts' : 'held-out prompts kept for the last look';
  return `${count(prompts)} ${kind}, ${plural(samplesAPrompt, 'answer')} a prompt, ${plural(seeds.length, 'seed')}; trained on ${plural(data.train, 'prompt')}`;
}

/** How the figures come about. */
export function methodOf(report: LabReport): string[] {
  const reference = nameOf(report, report.reference);
  const wilson = report.duels.some(({ winRate }) => winRate.method === 'wilson');
  return [
    'A figure is the mean over seeds of the mean over held-out prompts of the mean over their sampled answers. n counts prompts; where it says seeds, every one of them answered all of the prompts. Perplexity is the exponential of the mean log-probability a token, with its sign changed.',
    'Intervals hold 95 % of what the figure would be if prompts and seeds had fallen otherwise: both are drawn again with replacement many times (bootstrap), and the middle 95 % of the means is the interval. With three seeds it is somewhat narrow where they differ much, and wide where they agree. It says nothing of prompts of another kind or of other models.',
    `A gain is paired: the same prompt under the same seed, less what ${reference} made of it. How hard a prompt is cancels out, so gains are surer than the distance of two values in the table. It is called unclear where its interval holds zero.`,
    ...(wilson ? ['Win rates of judges have Wilson’s score interval; ties count half.'] : []),
    'Where many arms are compared, some intervals leave zero out by chance: about one in twenty where there is nothing to find. What is found above says where it allows for that.',
    'Self-Contrast is described in arXiv 2404.00604; the claims are its authors’.',
  ];
}
