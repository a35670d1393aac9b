/**
 * Speed on this machine, each figure beside its peer from the same run.
 *
 *   npm run bench                         the table
 *   npm run bench -- --only NAME [words]  one part of it; --list names them all
 *   npm run bench -- --only gpu --tiny    small shapes on an emulated adapter, to see that it works
 *
 * Also writes out/bench.json: the machine, the date and every row with its facts.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { BENCHES } from './bench/list.ts';
import { line, type Row } from './bench/row.ts';

const { values, positionals } = parseArgs({
  options: {
    only: { type: 'string' },
    tiny: { type: 'boolean' },
    minutes: { type: 'string' },
    list: { type: 'boolean' },
  },
  allowPositionals: true,
});

if (values.list) {
  for (const { name, about, onlyByName } of BENCHES)
    console.log(`${name.padEnd(14)} ${about}${onlyByName ? ' (only by name)' : ''}`);
  process.exit(0);
}
const { only } = values;
const chosen = BENCHES.filter(({ name, onlyByName }) => (only === undefined ? !onlyByName : name === only));
if (chosen.length === 0) {
  console.error(`no benchmark "${only}"; there are: ${BENCHES.map(({ name }) => name).join(', ')}`);
  process.exit(1);
}
const minutes = values.minutes === undefined ? null : Number(values.minutes);
if (minutes !== null && !(minutes > 0)) {
  console.error(`--minutes ${values.minutes} is not a number above 0`);
  process.exit(1);
}

const machine = `${cpus()[0]?.model ?? 'unknown'}, ${availableParallelism()} threads, Node ${process.version}`;
console.log(machine);
const rows: Row[] = [];
for (const bench of chosen) {
  const more = await bench.rows({ words: positionals, tiny: values.tiny ?? false, minutes });
  for (const row of more) console.log(line(row));
  rows.push(...more);
}
mkdirSync('out', { recursive: true });
const report = { machine, date: new Date().toISOString(), rows };
writeFileSync('out/bench.json', `${JSON.stringify(report, null, 2)}\n`);
process.exit(0);
