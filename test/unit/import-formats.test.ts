/** One literal row for each way of writing a data set, and rows that look like one but are not. */
import { describe, expect, test } from 'vitest';
import { readRows } from '../../src/pipeline/dataset.ts';
import { bytesFile, type FormatName, guessMapping, previewData } from '../../src/pipeline/import/index.ts';
import type { Mapping } from '../../src/pipeline/import/types.ts';
import type { DataRow } from '../../src/pipeline/types.ts';

const file = (...records: unknown[]) =>
  bytesFile(new TextEncoder().encode(records.map((each) => JSON.stringify(each)).join('\n')), 'd.jsonl');

/** What a single record is recognised as, and its rows without their line. */
async function read(record: unknown, mapping?: Mapping) {
  const { rows, refused } = await readRows(file(record), { mapping });
  const { format } = await previewData(file(record), { mapping });
  return { format, rows: rows.map(({ line: _, ...row }) => row), reason: refused[0]?.reason };
}

const user = (content: string) => ({ role: 'user', content });
const assistant = (content: string) => ({ role: 'assistant', content });
const system = (content: string) => ({ role: 'system', content });
const human = (value: string) => ({ from: 'human', value });
const gpt = (value: string) => ({ from: 'gpt', value });

const CASES: readonly [FormatName, unknown, DataRow][] = [
  ['prompt-target', { prompt: 'p', target: 't' }, { prompt: 'p', target: 't' }],
  ['prompt-target', { prompt: 'p', completion: 't' }, { prompt: 'p', target: 't' }],
  ['prompt-target', { prompt: 'p', response: 't' }, { prompt: 'p', target: 't' }],
  ['prompt-target', { question: 'p', answer: 't', id: 4 }, { prompt: 'p', target: 't' }],
  ['prompt-target', { query: 'p', response: 't' }, { prompt: 'p', target: 't' }],
  ['prompt-target', { input: 'p', output: 't' }, { prompt: 'p', target: 't' }],
  ['prompt-target', { prompt: 'p' }, { prompt: 'p' }],
  ['prompt-target', { prompt: 'p', target: null }, { prompt: 'p' }],
  ['prompt-target', { prompt: 'p', target: '[1, 2]' }, { prompt: 'p', target: '[1, 2]' }],
  [
    'prompt-target',
    {
      prompt: 'p',
      target: 't',
      history: [system('s')],
      rejected: ['r', 't', 'r', ' '],
      grader: { kind: 'number', value: 4 },
    },
    {
      prompt: 'p',
      target: 't',
      history: [{ role: 'system', content: 's' }],
      rejected: ['r'],
      grader: { kind: 'number', value: 4 },
    },
  ],
  [
    'prompt-target',
    { prompt: 'p', completion: 't', system: 's' },
    { prompt: 'p', target: 't', history: [{ role: 'system', content: 's' }] },
  ],
  ['alpaca', { instruction: 'do', input: '', output: 't' }, { prompt: 'do', target: 't' }],
  ['alpaca', { instruction: 'do', input: 'this', output: 't' }, { prompt: 'do\n\nthis', target: 't' }],
  [
    'alpaca',
    { instruction: 'do', context: 'this', response: 't', category: 'qa' },
    { prompt: 'do\n\nthis', target: 't' },
  ],
  [
    'alpaca',
    { instruction: 'do', output: 't', history: [['q', 'a']], system: 's' },
    {
      prompt: 'do',
      target: 't',
      history: [
        { role: 'system', content: 's' },
        { role: 'user', content: 'q' },
        { role: 'assistant', content: 'a' },
      ],
    },
  ],
  ['sharegpt', { conversations: [human('p'), gpt('t')] }, { prompt: 'p', target: 't' }],
  [
    'sharegpt',
    {
      conversations: [{ from: 'system', value: 's' }, human('q'), gpt('a'), human('p'), gpt('t'), human('x')],
    },
    {
      prompt: 'p',
      target: 't',
      history: [
        { role: 'system', content: 's' },
        { role: 'user', content: 'q' },
        { role: 'assistant', content: 'a' },
      ],
    },
  ],
  [
    'preference',
    { conversations: [human('p')], chosen: gpt('t'), rejected: gpt('r') },
    { prompt: 'p', target: 't', rejected: ['r'] },
  ],
  ['messages', { messages: [user('p'), assistant('t')] }, { prompt: 'p', target: 't' }],
  [
    'messages',
    {
      messages: [
        { role: 'developer', content: 's' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'a' },
            { type: 'text', text: 'b' },
          ],
        },
        assistant('t'),
      ],
    },
    { prompt: 'ab', target: 't', history: [{ role: 'system', content: 's' }] },
  ],
  ['messages', { messages: [system(''), user('p'), assistant('t')] }, { prompt: 'p', target: 't' }],
  ['messages', { messages: [user('p')] }, { prompt: 'p' }],
  [
    'messages',
    { prompt: 'p', prompt_id: 'x', messages: [user('p'), assistant('t')] },
    { prompt: 'p', target: 't' },
  ],
  ['messages', { prompt: [user('p')], completion: [assistant('t')] }, { prompt: 'p', target: 't' }],
  ['messages', { prompt: [user('p')] }, { prompt: 'p' }],
  ['preference', { prompt: 'p', chosen: 't', rejected: 'r' }, { prompt: 'p', target: 't', rejected: ['r'] }],
  [
    'preference',
    { question: 'p', chosen: 't', rejected: ['r', 's'] },
    { prompt: 'p', target: 't', rejected: ['r', 's'] },
  ],
  [
    'preference',
    { instruction: 'do', input: 'this', chosen: 't', rejected: 'r' },
    { prompt: 'do\n\nthis', target: 't', rejected: ['r'] },
  ],
  [
    'preference',
    { prompt: [user('p')], chosen: [assistant('t')], rejected: [assistant('r')] },
    { prompt: 'p', target: 't', rejected: ['r'] },
  ],
  [
    'preference',
    { chosen: [user('p'), assistant('t')], rejected: [user('p'), assistant('r')] },
    { prompt: 'p', target: 't', rejected: ['r'] },
  ],
  [
    'preference',
    {
      prompt: 'p',
      messages: [user('p'), assistant('t')],
      chosen: [user('p'), assistant('t')],
      rejected: [user('p'), assistant('r')],
    },
    { prompt: 'p', target: 't', rejected: ['r'] },
  ],
  [
    'preference',
    { chosen: 'The sky is blue.', rejected: 'The sky is black.' },
    { prompt: 'The sky is', target: 'blue.', rejected: ['black.'] },
  ],
  ['preference', { prompt: 'p', chosen: 't', rejected: '' }, { prompt: 'p', target: 't' }],
  [
    'preference-messages',
    { chosen_messages: [user('p'), assistant('t')], rejected_messages: [user('p'), assistant('r')] },
    { prompt: 'p', target: 't', rejected: ['r'] },
  ],
  [
    'hh-rlhf',
    {
      chosen: '\n\nHuman: q\n\nAssistant: a\n\nHuman: p\n\nAssistant: t\n\nand more',
      rejected: '\n\nHuman: q\n\nAssistant: a\n\nHuman: p\n\nAssistant: r',
    },
    {
      prompt: 'p',
      target: 't\n\nand more',
      rejected: ['r'],
      history: [
        { role: 'user', content: 'q' },
        { role: 'assistant', content: 'a' },
      ],
    },
  ],
  [
    'ultrachat',
    { id: '0', data: ['q', 'a', 'p', 't'] },
    {
      prompt: 'p',
      target: 't',
      history: [
        { role: 'user', content: 'q' },
        { role: 'assistant', content: 'a' },
      ],
    },
  ],
  [
    'nectar',
    {
      prompt: '\n\nHuman: p\n\nAssistant: ',
      answers: [
        { answer: 'r2', rank: 3, model: 'm' },
        { answer: 't', rank: 1, model: 'm' },
        { answer: 'r1', rank: 2, model: 'm' },
      ],
    },
    { prompt: 'p', target: 't', rejected: ['r1', 'r2'] },
  ],
  [
    'verl',
    {
      data_source: 'gsm8k',
      prompt: [user('p')],
      ability: 'math',
      reward_model: { style: 'rule', ground_truth: '1,072' },
      extra_info: { split: 'train', answer: 'so 1072\n#### 1,072' },
    },
    { prompt: 'p', target: 'so 1072\n#### 1,072', grader: { kind: 'number', value: 1072 } },
  ],
  [
    'verl',
    { prompt: [user('p')], reward_model: { ground_truth: 'x + 1' } },
    { prompt: 'p', target: 'x + 1' },
  ],
  [
    'answers',
    { prompt: 'p', answers: ['b', 'a', 'b', ' '], grader: { kind: 'number', value: 4 } },
    { prompt: 'p', rejected: ['b', 'a'], grader: { kind: 'number', value: 4 } },
  ],
  [
    'answers',
    { prompt: 'p', responses: [{ role: 'assistant', content: 'a' }, 'b'] },
    { prompt: 'p', rejected: ['a', 'b'] },
  ],
  [
    'answers',
    { prompt: 'p', system: 's', answers: '["a"]' },
    { prompt: 'p', history: [{ role: 'system', content: 's' }], rejected: ['a'] },
  ],
  [
    'answers',
    { prompt_index: 3, prompt: 'p', text: 'a', similarity: null, kept: null, token_ids: [1], logp: -1 },
    { prompt: 'p', rejected: ['a'] },
  ],
  ['mt-bench', { question_id: 1, category: 'c', turns: ['p', 'then'] }, { prompt: 'p' }],
  [
    'gsm8k',
    { question: 'p', answer: '<<1+1=2>>2\n#### -1,002.5' },
    { prompt: 'p', target: '<<1+1=2>>2\n#### -1,002.5', grader: { kind: 'number', value: -1002.5 } },
  ],
];

test.each(CASES)('%s: %j', async (format, record, row) => {
  expect(await read(record)).toEqual({ format, rows: [row], reason: undefined });
});

test('self-instruct: a row an instance', async () => {
  const instances = [
    { input: 'i', output: 't' },
    { input: '', output: 'u' },
  ];
  expect(await read({ instruction: 'do', instances })).toEqual({
    format: 'self-instruct',
    rows: [
      { prompt: 'do\n\ni', target: 't' },
      { prompt: 'do', target: 'u' },
    ],
    reason: undefined,
  });
});

const REFUSED: readonly [unknown, string | RegExp][] = [
  [{ messages: [] }, 'there is no user turn, so nothing is asked'],
  [{ messages: [system('s')] }, 'there is no user turn'],
  [{ messages: [assistant('t')] }, 'there is no user turn'],
  [{ messages: [user('p'), assistant('a'), assistant('b')] }, 'the answer does not follow a user turn'],
  [{ messages: [user('p'), assistant('')] }, 'turn 2 (assistant): the text is empty'],
  [{ messages: [user('p'), { role: 'assistant', content: null }] }, 'turn 2 (assistant): there is no text'],
  [{ messages: [user('p'), { role: 'tool', content: 't' }] }, 'turn 2: the role "tool" is not known'],
  [
    { messages: [user('p'), { role: 'assistant', content: '', tool_calls: [{}] }] },
    "turn 2 calls a tool, which can't be trained on here",
  ],
  [
    { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: {} }] }, assistant('t')] },
    'turn 1 (user) holds a part of type "image_url", which a text model can\'t read',
  ],
  [{ messages: ['p', 't'] }, 'turn 1: expected an object with role and content, found "p"'],
  [{ conversations: [human('p'), { from: 'gpt', value: 3 }] }, 'turn 2 (assistant): expected text, found 3'],
  [{ prompt: ['a', 'b'], target: 't' }, 'prompt: expected text, found a list with "a"'],
  [{ prompt: 'p', target: ['a', 'b'] }, 'expected text, found a list with "a"'],
  [{ prompt: 'p', target: {} }, 'target: expected text, found {}'],
  [{ prompt: 'p', chosen: '', rejected: 'r' }, 'chosen: the text is empty'],
  [{ prompt: [user('p'), assistant('a')], chosen: 't' }, 'the answer does not follow a user turn'],
  [
    { chosen: 'blue', rejected: 'red' },
    'no prompt, and chosen and rejected do not begin with the same words',
  ],
  [
    { chosen: [user('p'), assistant('t')], rejected: [user('q'), assistant('r')] },
    'chosen and rejected differ before their last answer',
  ],
  [{ chosen: [user('p')], rejected: [user('p')] }, 'chosen: the conversation does not end with an answer'],
  [
    { chosen: '\n\nHuman: p\n\nAssistant:', rejected: '\n\nHuman: p\n\nAssistant: r' },
    'chosen: the last answer is empty',
  ],
  [{ chosen: '\n\nHuman: p', rejected: '\n\nHuman: p' }, 'the dialogue does not end with an answer'],
  [{ prompt: 'p', answers: [{ answer: 'a', rank: 1 }, { answer: 'b' }] }, 'answer 2 has no rank'],
  [{ instruction: ' ', output: 't' }, 'instruction: the text is empty'],
  [{ instruction: 'do', input: { a: 1 }, output: 't' }, 'input: expected text, found {"a":1}'],
  [{ instruction: 'do', instances: [] }, 'instances: the list is empty'],
  [{ data: ['q', ''] }, 'turn 2: the text is empty'],
  [{ turns: [''] }, 'turn 1: the text is empty'],
  [{ prompt: 'p', target: 't', grader: { kind: 'regex', pattern: '(' } }, /^grader\.pattern:/],
];

test.each(REFUSED)('refused: %j', async (record, reason) => {
  // Beside a good row, so that the file as a whole is a readable one.
  const { rows, refused } = await readRows(file({ prompt: 'good', target: 'g' }, record));
  expect(rows).toHaveLength(1);
  expect(refused).toHaveLength(1);
  expect(refused[0]?.line).toBe(2);
  if (typeof reason === 'string') expect(refused[0]?.reason).toContain(reason);
  else expect(refused[0]?.reason).toMatch(reason);
});

describe('files that mix formats', () => {
  test('each row is read by the format that fits it', async () => {
    const mixed = file({ prompt: 'p', target: 't' }, { messages: [user('q'), assistant('u')] }, { other: 1 });
    const { rows, refused } = await readRows(mixed);
    expect(rows.map(({ prompt }) => prompt)).toEqual(['p', 'q']);
    expect(refused).toMatchObject([{ line: 3, reason: 'no prompt (also accepted: question, query)' }]);
  });
});

describe('a mapping', () => {
  const record = {
    'the.query': 'q1',
    user: { text: 'q2' },
    answers: [{ text: 'a' }, { text: 'b' }],
    label: 3,
    bad: ['r', 's'],
    sys: 'be brief',
    chat: [user('q3'), assistant('a3')],
    empty: null,
  };

  test('is asked for where no format fits, and names what there is', async () => {
    await expect(readRows(file(record))).rejects.toThrow('which column is the prompt is not clear');
    const preview = await previewData(file(record));
    expect(preview).toMatchObject({ format: null, records: [record], rows: [], refused: [] });
    expect(preview.columns).toEqual([
      'the.query',
      'user',
      'user.text',
      'answers',
      'answers.0.text',
      'label',
      'bad',
      'bad.0',
      'sys',
      'chat',
      'chat.0.role',
      'chat.0.content',
      'empty',
    ]);
  });

  test.each<[Mapping, DataRow]>([
    [{ prompt: 'the.query' }, { prompt: 'q1' }],
    [
      { prompt: 'user.text', target: 'answers.1.text' },
      { prompt: 'q2', target: 'b' },
    ],
    [
      { prompt: 'user.text', target: 'label' },
      { prompt: 'q2', target: '3' },
    ],
    [{ prompt: 'user.text', target: 'empty' }, { prompt: 'q2' }],
    [
      { prompt: 'user.text', target: 'label', rejected: 'bad', system: 'sys' },
      {
        prompt: 'q2',
        target: '3',
        rejected: ['r', 's'],
        history: [{ role: 'system', content: 'be brief' }],
      },
    ],
    [{ prompt: 'chat' }, { prompt: 'q3', target: 'a3' }],
  ])('%j', async (mapping, row) => {
    expect(await read(record, mapping)).toEqual({ format: 'mapping', rows: [row], reason: undefined });
  });

  test('that names no column is an error, and a value that is no text is refused', async () => {
    await expect(readRows(file(record), { mapping: { prompt: 'constructor.name' } })).rejects.toThrow(
      'no record has anything in "constructor.name", the column of the prompt; the columns are the.query, user',
    );
    expect((await read(record, { prompt: 'user' })).reason).toBe('user: expected text, found {"text":"q2"}');
    const { reason } = await read(record, { prompt: 'sys', target: 'user' });
    expect((await read(record, { prompt: 'sys', target: 'answers' })).reason).toContain('found a list with');
    expect(reason).toBe('user: expected text, found {"text":"q2"}');
  });

  test('wins over what would be recognised', async () => {
    const { rows } = await read(
      { prompt: 'p', target: 't', better: 'b' },
      { prompt: 'prompt', target: 'better' },
    );
    expect(rows).toEqual([{ prompt: 'p', target: 'b' }]);
  });
});

test('notes say what is left out', async () => {
  const notes = async (record: unknown) => (await previewData(file(record))).notes;
  expect(await notes({ prompt: 'p', target: 't' })).toEqual([]);
  expect(await notes({ prompt: 'p', answr: 't' })).toEqual([expect.stringContaining('These rows only ask')]);
  expect(await notes({ turns: ['p', 'q'] })).toEqual([
    expect.stringContaining('Only the first turn'),
    expect.stringContaining('These rows only ask'),
  ]);
});

test('a first guess goes by names, else by what holds sentences', () => {
  const records = [
    { ticket: '1', 'customer wrote': 'Where is it?', 'we answered': 'On its way.', tag: 'mail' },
    { ticket: '2', 'customer wrote': 'And now?', 'we answered': 'Still on its way.', tag: 'mail' },
  ];
  expect(guessMapping(Object.keys(records[0] ?? {}), records)).toEqual({
    prompt: 'customer wrote',
    target: 'we answered',
  });
  expect(guessMapping(['id', 'a.reply', 'a.query'], [{ id: 'x y', a: { reply: 'r', query: 'q' } }])).toEqual({
    prompt: 'a.query',
    target: 'a.reply',
  });
  expect(guessMapping(['n'], [{ n: 1 }])).toEqual({ prompt: 'n' });
  expect(guessMapping([], [])).toEqual({ prompt: '' });
});

test('what stands beside the question belongs to it', async () => {
  expect(
    (await read({ question: 'How many?', context: 'CREATE TABLE t', answer: 'SELECT count(*)' })).rows,
  ).toEqual([{ prompt: 'How many?\n\nCREATE TABLE t', target: 'SELECT count(*)' }]);
  expect((await read({ prompt: 'Translate', input: 'Hello', output: 'Bonjour' })).rows).toEqual([
    { prompt: 'Translate\n\nHello', target: 'Bonjour' },
  ]);
  expect((await read({ system: 's', input: '2+2?', chosen: 'It is 4.', rejected: 'It is 5.' })).rows).toEqual(
    [{ prompt: '2+2?', history: [system('s')], target: 'It is 4.', rejected: ['It is 5.'] }],
  );
});
