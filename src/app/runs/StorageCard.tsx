import { Figures } from '../components/Figures.tsx';
import { bytes } from '../format.ts';
import { runSizes, runs, storageUse } from '../signals.ts';
import { KeepLine } from './KeepLine.tsx';

/** What the runs take, what the browser allows, and whether it promises to keep it. */
export function StorageCard() {
  const use = storageUse.value;
  const total = runs.value.reduce((sum, { id }) => sum + (runSizes.value.get(id)?.bytes ?? 0), 0);
  return (
    <section class="card" aria-label="Space">
      <h3>Space on this device</h3>
      <Figures
        items={[
          {
            label: 'Records of the runs',
            value: bytes(total),
            help: 'Measured by looking at every record; data sets and models are not in it.',
          },
          ...(use === null
            ? []
            : [
                {
                  label: 'In use by this page',
                  value: bytes(use.used),
                  help: 'The browser’s own estimate: runs, data sets, models and the page itself.',
                },
                {
                  label: 'The browser allows',
                  value: bytes(use.quota),
                  help: 'At most so much, if the disk has it. When it is used up, work stops at a safe point and nothing finished is lost.',
                },
              ]),
        ]}
      />
      <KeepLine always />
    </section>
  );
}
