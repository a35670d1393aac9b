/**
 * Losses over sequence log-probabilities. Each is a pure function from the summed log-probabilities of one
 * group's responses to the group's share of the step's loss and its derivatives, which are all that the
 * backward pass needs: dLoss/dtheta = sum_i coefficients[i] * dlogp_i/dtheta.
 */

/** The same shape as GroupLossValue in src/engine/types.ts, which this layer may not import. */
export interface LossValue {
  readonly loss: number;
  /** dLoss/dlogp of every response, in order. */
  readonly coefficients: readonly number[];
  readonly metrics: Readonly<Record<string, number>>;
}

export type PreferenceLoss = 'sigmoid' | 'ipo' | 'hinge';

export interface DpoSettings {
  readonly kind: PreferenceLoss;
  readonly beta: number;
  /** Weight of the SFT term on the chosen response; 0 is none. */
  readonly ftx: number;
  /** Groups of the optimiser step: every group's loss and coefficients are divided by it. */
  readonly groups: number;
}

/**
 * Negative log-likelihood a token. A step whose groups all pass the step's number of target tokens gets the
 * mean over tokens.
 *
 * @param logp log-probability of the target, summed over its tokens
 * @param tokens target tokens of the whole step
 */
export function sftLoss(logp: number, tokens: number): LossValue {
  return { loss: -logp / tokens, coefficients: [-1 / tokens], metrics: {} };
}

/**
 * Preference loss of one chosen response against k rejected ones.
 *
 *     u_j = (logp(y+) - ref(y+)) - (logp(y-_j) - ref(y-_j))
 *     loss = 1/groups * ( 1/k sum_j l(u_j)  +  ftx * -logp(y+) / chosenTokens )
 *
 * with l one of
 * - sigmoid: -log sigmoid(beta u), Rafailov et al. 2023 (arXiv 2305.18290);
 * - ipo: (u - 1/(2 beta))^2, Azar et al. 2023 (arXiv 2310.12036), equation 17, with the paper's
 *   log-probabilities of whole sequences (TRL divides them by length, which the paper does not);
 * - hinge: max(0, 1 - beta u), as in SLiC-HF (arXiv 2305.10425) over the same log-ratios; at the kink its
 *   derivative is taken as 0.
 *
 * @param logps [1 + k] of the chosen response, then of the rejected ones
 * @param references [1 + k] the same under the reference policy
 * @param chosenTokens tokens of the chosen response
 * @returns metrics: rewardChosen, rewardRejected (reward = beta (logp - ref); mean over rejected),
 *   rewardMargin, rewardAccuracy (share of pairs with the chosen reward above; a tie is not), chosenLogp,
 *   rejectedLogp (nats, summed over tokens)
 * @throws RangeError where the lengths disagree or nothing is rejected
 */
export function dpoLoss(
  logps: readonly number[],
  references: readonly number[],
  chosenTokens: number,
  settings: DpoSettings,
): LossValue {
  const { kind, beta, ftx, groups } = settings;
  const k = logps.length - 1;
  if (k < 1 || references.length !== logps.length) {
    throw new RangeError(
      `internal: ${logps.length} log-probabilities, ${references.length} references; a group has 1 + k of both`,
    );
  }
  const ratios = logps.map((logp, i) => logp - (references[i] ?? 0));
  const [chosen = 0, ...rejected] = ratios;
  const pairs = rejected.map((ratio) => pairLoss(kind, chosen - ratio, beta));
  const share = 1 / (k * groups);
  const slopes = pairs.map(({ slope }) => slope * share);
  const [chosenLogp = 0, ...rejectedLogps] = logps;
  return {
    loss: share * sum(pairs.map(({ loss }) => loss)) - (ftx * chosenLogp) / (chosenTokens * groups),
    coefficients: [sum(slopes) - ftx / (chosenTokens * groups), ...slopes.map((slope) => -slope)],
    metrics: {
      rewardChosen: beta * chosen,
      rewardRejected: (beta * sum(rejected)) / k,
      rewardMargin: beta * (chosen - sum(rejected) / k),
      rewardAccuracy: rejected.filter((ratio) => chosen > ratio).length / k,
      chosenLogp,
      rejectedLogp: sum(rejectedLogps) / k,
    },
  };
}

/** Loss of one pair and its derivative by `u`, the difference of the two log-ratios. */
function pairLoss(kind: PreferenceLoss, u: number, beta: number): { loss: number; slope: number } {
  const h = beta * u;
  switch (kind) {
    case 'sigmoid':
      return { loss: -logSigmoid(h), slope: -beta * Math.exp(logSigmoid(-h)) };
    case 'ipo': {
      const distance = u - 1 / (2 * beta);
      return { loss: distance * distance, slope: 2 * distance };
    }
    case 'hinge':
      return h < 1 ? { loss: 1 - h, slope: -beta } : { loss: 0, slope: 0 };
  }
}

/** log(1 / (1 + e^-x)), finite for every finite x. */
export function logSigmoid(x: number): number {
  return Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x)));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
