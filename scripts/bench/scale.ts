/** `npm run bench -- --only scale [prompts] [k] [length] [size]`: what a run costs as it grows, one curve a word. */
import type { BenchOptions, Row } from './row.ts';
import { curveRows } from './scale/curves.ts';
import { CURVES } from './scale/plan.ts';
import { promptRows } from './scale/prompts.ts';

export async function scaleRows({ words }: BenchOptions): Promise<Row[]> {
  const rows: Row[] = [];
  for (const name of ['prompts', ...Object.keys(CURVES)]) {
    if (words.length > 0 && !words.includes(name)) continue;
    rows.push(...(await (name === 'prompts' ? promptRows() : curveRows(name))));
  }
  return rows;
}
