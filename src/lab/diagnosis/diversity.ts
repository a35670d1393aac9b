/**
 * Assumption 1 of Self-Contrast (arXiv 2404.00604) on these data: negatives vary more than positives. Positives are
 * the target and the answers found as good as it; negatives the others. Answers count as often as they were sampled: the
 * assumption is about what the policy says, not about how many different things it can say.
 */
import { sampleWithoutReplacement, stream } from '../../model/random.ts';
import { stripLeading } from '../../pipeline/filter.ts';
import { cosine, embedDistinct } from '../../pipeline/similarity.ts';
import type { DiagnosisInput } from '../inputs.ts';
import { bootstrapGain, bootstrapMean } from '../stats/index.ts';
import type { Diversity } from '../types.ts';
import { judgeOf } from './judge.ts';
import { type PairMatrix, pairMatrix, pairMean, resampled } from './resample.ts';
import { deviation, distinctN, meanDistance, type Text } from './variety.ts';

/** Answers of a kind and prompt that are measured at most. */
const MOST_TEXTS = 8;
/** Prompts at most. */
const MOST_PROMPTS = 200;
/** Prompts with two of both that it takes to tell anything. */
const FEWEST_PROMPTS = 10;

/** Of one prompt. */
interface Sides {
  readonly positives: readonly Text[];
  readonly negatives: readonly Text[];
}

type Row = Diversity['rows'][number];

/**
 * Within prompts the measures are means over the prompts with two positives and two negatives at least; every prompt
 * gives equally many of both (at most 8, drawn by the seed), as variety grows with the number of texts. Over the data one
 * positive and one negative a prompt are compared with those of other prompts.
 *
 * @returns undefined where there are no answers
 */
export async function diversity(
  input: Pick<DiagnosisInput, 'config' | 'data' | 'responses' | 'rewards' | 'marks' | 'embedder' | 'signal'>,
): Promise<Diversity | undefined> {
  const { config, embedder, signal } = input;
  const judge = judgeOf(input);
  const all = sidesOf(input, judge);
  if (all.length === 0) return undefined;
  const draw = <T>(items: readonly T[], count: number, ...label: readonly (string | number)[]) =>
    sampleWithoutReplacement(
      items,
      Math.min(count, items.length),
      stream(config.seed, 'diversity', ...label),
    );
  const prompts = draw(all, MOST_PROMPTS, 'prompts');
  const within = prompts.flatMap(({ positives, negatives }, i) => {
    const count = Math.min(positives.length, negatives.length, MOST_TEXTS);
    if (count < 2) return [];
    return [{ positives: draw(positives, count, '+', i), negatives: draw(negatives, count, '-', i) }];
  });
  const across = prompts.flatMap(({ positives, negatives }, i) => {
    const [positive] = draw(positives, 1, 'one +', i);
    const [negative] = draw(negatives, 1, 'one -', i);
    return positive && negative ? [{ positive, negative }] : [];
  });
  const vector = await embedDistinct(
    await embedder(),
    [
      ...within.flatMap(({ positives, negatives }) => [...positives, ...negatives]),
      ...across.flatMap(({ positive, negative }) => [positive, negative]),
    ].map(({ text }) => text),
    signal,
  );
  signal.throwIfAborted();
  const apart = withinRows(within, vector);
  const rows = [
    ...apart,
    ...acrossRows(
      across.map(({ positive }) => vector(positive.text)),
      across.map(({ negative }) => vector(negative.text)),
    ),
  ];
  const count = (side: keyof Sides) => all.reduce((sum, sides) => sum + sides[side].length, 0);
  return {
    positives: count('positives'),
    negatives: count('negatives'),
    rows,
    ...conclusion(judge !== null, within.length, apart[0], rows[apart.length]),
  };
}

/** Of every prompt that has an answer which is not empty. */
function sidesOf(
  { data, responses }: Pick<DiagnosisInput, 'data' | 'responses'>,
  judge: ReturnType<typeof judgeOf>,
): Sides[] {
  return responses.flatMap((record) => {
    const row = data.train[record.index];
    // Without a judge only the target is known to be good, and the answers are taken for negatives.
    const good = judge ? judge.verdicts(record) : record.responses.map(() => false);
    if (!row || !good) return [];
    const positives: Text[] = [{ text: row.target.trim(), tokens: row.targetIds.length }];
    const negatives: Text[] = [];
    record.responses.forEach(({ text, tokenIds }, i) => {
      const plain = stripLeading(text);
      if (plain !== '')
        (good[i] === true ? positives : negatives).push({ text: plain, tokens: tokenIds.length });
    });
    return [{ positives, negatives }];
  });
}

type Vectors = (text: string) => Float32Array;

interface WithinMeasure {
  readonly what: string;
  readonly help: string;
  /** Of equally many texts; null where there is nothing to measure. */
  readonly of: (texts: readonly Text[], vector: Vectors) => number | null;
}

const WITHIN: readonly WithinMeasure[] = [
  {
    what: 'distance within a prompt',
    help: 'Mean cosine distance of two answers to the same prompt. Of vectors of length 1 it is also their total variance (the trace of the covariance).',
    of: (texts, vector) => meanDistance(texts.map(({ text }) => vector(text))),
  },
  {
    what: 'distinct-1',
    help: 'Different words by all words, in equally many answers to a prompt.',
    of: (texts) => distinctN(texts, 1),
  },
  {
    what: 'distinct-2',
    help: 'Different pairs of neighbouring words by all such pairs.',
    of: (texts) => distinctN(texts, 2),
  },
  {
    what: 'spread of length',
    help: 'Standard deviation of tokens among the answers to a prompt.',
    of: (texts) => deviation(texts.map(({ tokens }) => tokens)),
  },
];

function withinRows(prompts: readonly Sides[], vector: Vectors): Row[] {
  return WITHIN.flatMap(({ what, help, of }) => {
    const measured = prompts.map(({ positives, negatives }) => {
      const [positive, negative] = [of(positives, vector), of(negatives, vector)];
      // Only prompts that have both: otherwise the two columns would be of different prompts.
      return positive === null || negative === null
        ? { positive: null, negative: null }
        : { positive, negative };
    });
    if (measured.every(({ positive }) => positive === null)) return [];
    const [positives, negatives] = [
      [measured.map(({ positive }) => positive)],
      [measured.map(({ negative }) => negative)],
    ];
    return [
      {
        what,
        help,
        positives: bootstrapMean(positives),
        negatives: bootstrapMean(negatives),
        difference: bootstrapGain(negatives, positives),
      },
    ];
  });
}

/**
 * Over the data: mean distance of answers to different prompts, and topics. The number of topics is the effective number
 * of different answers that an endless sample would have: one by the mean squared cosine of two of them (the Vendi score of
 * order 2, Pasarkar and Dieng 2024, arXiv 2310.12952), so there is no number of clusters to choose.
 */
function acrossRows(positives: readonly Float32Array[], negatives: readonly Float32Array[]): Row[] {
  const units = positives.length;
  if (units < 3) return [];
  const cosines = [positives, negatives].map((vectors) =>
    pairMatrix(units, (i, j) => cosine(vectors[i] ?? NO_VECTOR, vectors[j] ?? NO_VECTOR)),
  );
  const squares = cosines.map(({ values }) => ({ units, values: values.map((x) => x * x) }));
  const row = (
    what: string,
    help: string,
    matrices: readonly PairMatrix[],
    of: (mean: number) => number,
  ): Row[] => {
    const [positive, negative, difference] = resampled(units, (weights) => {
      const [a = Number.NaN, b = Number.NaN] = matrices.map((matrix) => of(pairMean(matrix, weights)));
      return [a, b, b - a];
    });
    return positive && negative && difference
      ? [{ what, help, positives: positive, negatives: negative, difference }]
      : [];
  };
  return [
    ...row(
      'distance over the data',
      'Mean cosine distance of answers to different prompts.',
      cosines,
      (x) => 1 - x,
    ),
    ...row(
      'topics',
      'Effective number of topics: one by the mean squared cosine of answers to different prompts.',
      squares,
      (x) => 1 / x,
    ),
  ];
}

const NO_VECTOR = new Float32Array(0);

/** Holds or fails by what happens within prompts, as pairs are made there; over the data must not say the contrary. */
function conclusion(
  judged: boolean,
  prompts: number,
  within: Row | undefined,
  across: Row | undefined,
): Pick<Diversity, 'holds' | 'verdict'> {
  if (!judged) {
    return {
      holds: 'unclear',
      verdict:
        'Not known: without a grader, a reward model or marks the target is the only positive of each prompt. Over the data, targets are compared with all answers.',
    };
  }
  if (!within || prompts < FEWEST_PROMPTS) {
    return {
      holds: 'unclear',
      verdict: `Not known: only ${prompts} prompts have two positives and two negatives; it takes ${FEWEST_PROMPTS}.`,
    };
  }
  const { difference, positives, negatives } = within;
  const figures = `mean cosine distance within a prompt: negatives ${negatives.value.toFixed(3)}, positives ${positives.value.toFixed(3)}, difference ${difference.value.toFixed(3)} (${difference.low.toFixed(3)} to ${difference.high.toFixed(3)}), ${prompts} prompts`;
  if (difference.high < 0) {
    return {
      holds: 'fails',
      verdict: `Assumption 1 fails on these data: positives vary more than negatives (${figures}).`,
    };
  }
  if (difference.low <= 0) {
    return {
      holds: 'unclear',
      verdict: `Whether Assumption 1 holds on these data is not clear: the difference is within the noise (${figures}).`,
    };
  }
  if (across && across.difference.high < 0) {
    return {
      holds: 'unclear',
      verdict: `Assumption 1 holds within prompts (${figures}), but over the data positives are further apart than negatives.`,
    };
  }
  return {
    holds: 'holds',
    verdict: `Assumption 1 holds on these data: negatives vary more than positives (${figures}).`,
  };
}
