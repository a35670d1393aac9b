import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { reportFiles } from '../../src/report/index.ts';
import { sampleReport } from '../fixtures/lab-report.ts';

test('x', () => {
  const files = reportFiles(sampleReport());
  for (const f of files) writeFileSync('/tmp/rep/' + f.path, f.bytes);
  expect(files.length).toBe(8);
});
