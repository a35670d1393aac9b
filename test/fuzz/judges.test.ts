/** Files of verdicts, and the config.json of reward models. */
import { readVerdicts } from '../../src/lab/judges/verdicts.ts';
import type { ComparisonKey } from '../../src/lab/types.ts';
import { readRewardConfig, scorer } from '../../src/model/reward-config.ts';
import { InputError } from '../../src/model/text.ts';
import { fuzz } from './fuzz.ts';
import { bytesLike, decode, encode, jsonLike, valuesLike } from './inputs.ts';

const IDS = ['0a', '1b', '2c', '__proto__'];
const KEYS = IDS.map((id, index): ComparisonKey => ({ id, armA: 'x', armB: 'y', seed: 1, index, sample: 0 }));

/** Every row is told of once: as a verdict on a question that was asked, or as refused with its line. */
function read(text: string): void {
  const { verdicts, refused } = readVerdicts(text, KEYS, 'judge', 1);
  const ids = verdicts.map(({ id }) => id);
  if (new Set(ids).size < ids.length || ids.some((id) => !IDS.includes(id))) throw new Error('ids');
  if (verdicts.some(({ choice }) => !['a', 'b', 'tie'].includes(choice))) throw new Error('a choice');
  if (refused.some(({ line, reason }) => line < 1 || reason === '' || reason.length > 300))
    throw new Error('a refusal');
}

const LINES = IDS.map((id, i) => JSON.stringify({ id, verdict: ['a', 'B', '=', 'tie'][i] }));
const CSV = `id,verdict,why\n0a,a,"two\nlines"\n1b,b,\n2c,tie,x\n`;

fuzz('verdicts as JSON', {
  inputs: jsonLike(LINES.join('\n'), `[${LINES.join(',')}]`),
  read,
  errors: [InputError],
  examples: ['['.repeat(200_000), `${'{"id":'.repeat(20_000)}\n`, '[{}]', '[]', '{}'],
});

fuzz('verdicts as CSV', {
  inputs: bytesLike(encode(CSV), encode(CSV.replaceAll(',', '\t'))).map(decode),
  read,
  errors: [InputError],
  examples: [`id,verdict\n${'"'.repeat(100_000)}`, 'id,verdict\n'.repeat(50_000), ','.repeat(500_000)],
});

fuzz('config.json of reward models', {
  inputs: valuesLike(
    JSON.stringify({
      model_type: 'roberta',
      architectures: ['RobertaForSequenceClassification'],
      id2label: { 0: 'NEGATIVE', 1: 'POSITIVE' },
      pad_token_id: 1,
      max_position_embeddings: 514,
    }),
  ),
  read: (value) => {
    const { labels, positions, padId } = readRewardConfig('model', value);
    if (positions !== null && !(positions >= 1)) throw new Error('positions');
    if (padId !== null && !Number.isSafeInteger(padId)) throw new Error('padding');
    for (const count of [1, 2]) scorer('model', labels, count)([0, 1]);
  },
  errors: [InputError],
  examples: [{ architectures: ['x'.repeat(1_000_000)] }, { id2label: { [Number.NaN]: 'a', x: 'b' } }],
});
