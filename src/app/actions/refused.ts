/** The refused rows of the shown data, as a file. */
import { problemOf } from '../problems.ts';
import { problem, records } from '../signals.ts';

/** Rows turned into text at a time, so that the page stays free between. */
const AT_ONCE = 1000;

/** JSON Lines of {line, reason, file, text}, in the order of the file. */
export async function downloadRefused(): Promise<void> {
  const { dataset, prepared } = records.value;
  const refused = prepared?.refused ?? dataset?.refused;
  if (dataset === null || refused === undefined) return;
  try {
    const parts: string[] = [];
    for (let from = 0; from < refused.length; from += AT_ONCE) {
      const rows = await refused.read(from, from + AT_ONCE);
      parts.push(rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    }
    save(`${fileName(dataset.info.name)}-refused.jsonl`, new Blob(parts, { type: 'application/x-ndjson' }));
  } catch (error) {
    problem.value = problemOf('The refused rows could not be written', error, 'They are still stored.');
  }
}

function fileName(name: string): string {
  return (
    name
      .toLowerCase()
      .replace(/[^\p{L}\p{N}]+/gu, '-')
      .replace(/^-|-$/g, '') || 'data'
  );
}

function save(name: string, blob: Blob): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
