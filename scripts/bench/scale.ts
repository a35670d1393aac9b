/** `npm run bench -- --only scale [prompts] [k] [length] [size]`: what a run costs as it grows, one curve a word. */
import type { BenchOptions, Row } from './row.ts';
import { promptRows } from './scale/prompts.ts';

const CURVES: Readonly<Record<string, () => Promise<Row[]>>> = { prompts: promptRows };

export async function scaleRows({ words }: BenchOptions): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [name, curve] of Object.entries(CURVES))
    if (words.length === 0 || words.includes(name)) rows.push(...(await curve()));
  return rows;
}
