import type { LabReport, Sign } from '../lab/types.ts';
import { armName, SignMark } from './marks.tsx';
import { prose } from './text.ts';

type Report = Pick<LabReport, 'signs' | 'arms'>;
type ArmSign = LabReport['signs'][number];

/** One way to fail in one state, wherever it was looked for: a plan of ten arms and three seeds looks thirty times. */
export interface SignGroup {
  readonly state: Sign['state'];
  readonly title: string;
  readonly threshold: string;
  /** Each different one once; only of what was seen. */
  readonly suggestions: readonly string[];
  /** `where` is empty for the whole plan. */
  readonly places: readonly { readonly where: string; readonly evidence: string }[];
}

const ORDER = ['seen', 'unknown', 'not-seen'] as const;

/** What was seen first, then what could not be told, then what was not seen. */
export function signGroups({ signs, arms }: Report): SignGroup[] {
  return ORDER.flatMap((state) => {
    const groups = new Map<string, ArmSign[]>();
    for (const sign of signs) {
      if (sign.state === state) groups.set(sign.id, [...(groups.get(sign.id) ?? []), sign]);
    }
    return [...groups.values()].map((group) => ({
      state,
      title: group[0]?.title ?? '',
      threshold: group[0]?.threshold ?? '',
      suggestions: state === 'seen' ? [...new Set(group.map(({ suggestion }) => suggestion))] : [],
      places: group.map((sign) => ({ where: whereOf(sign, arms), evidence: sign.evidence })),
    }));
  });
}

function whereOf({ arm, seed }: ArmSign, arms: LabReport['arms']): string {
  if (arm === undefined) return '';
  return `${armName({ arms }, arm)}${seed === undefined ? '' : `, seed ${seed}`}`;
}

/** Places that are told one by one; all of them are in report.json. */
const MOST_PLACES = 6;

/** The evidence, place by place; where nothing was seen and many places were looked at, their number alone. */
export function evidenceOf({ state, places }: SignGroup): string[] {
  if (state !== 'seen' && places.length > 2) {
    return [`${state === 'unknown' ? 'Not known' : 'Looked for'} in ${places.length} trainings.`];
  }
  const told = places
    .slice(0, MOST_PLACES)
    .map(({ where, evidence }) => sentence(where === '' ? evidence : `${where}: ${evidence}`));
  const more = places.length - told.length;
  return more > 0 ? [...told, `And ${more} more, in report.json.`] : told;
}

/** With a full stop where it has no end of its own. */
export const sentence = (text: string): string => (/[.!?…]$/.test(text.trim()) ? text : `${text}.`);

/** Ways to fail: how each is recognised, what was seen, and what to do about those that were. */
export function Signs({ report }: { report: Report }) {
  if (report.signs.length === 0) return null;
  return (
    <ul class="lr-signs">
      {signGroups(report).map((group) => (
        <li key={`${group.title} ${group.state}`}>
          <SignMark state={group.state} />
          <div>
            <p>
              <span class="lr-claim">{prose(group.title)}</span>{' '}
              <span class="lr-muted">Threshold: {prose(sentence(group.threshold))}</span>
            </p>
            {evidenceOf(group).map((text) => (
              <p key={text}>{prose(text)}</p>
            ))}
            {group.suggestions.map((text) => (
              <p key={text} class="lr-advice">
                {prose(text)}
              </p>
            ))}
          </div>
        </li>
      ))}
    </ul>
  );
}
