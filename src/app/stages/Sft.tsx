import { useMemo } from 'preact/hooks';
import { Chart } from '../components/Chart.tsx';
import { Previews } from '../components/Previews.tsx';
import { columnOf, has } from '../metrics.ts';
import { view } from '../signals.ts';
import { Empty, Frame } from './Frame.tsx';

export function SftStage() {
  const metrics = view.value.metrics.sft;
  const plots = useMemo(() => {
    const x = metrics.map((record) => record.step);
    const loss = [{ label: 'train', color: '--accent', values: columnOf(metrics, 'loss') }];
    const heldOut = ['heldOutLoss', 'evalLoss'].find((name) => has(metrics, name));
    return {
      x,
      loss:
        heldOut === undefined
          ? loss
          : [
              ...loss,
              { label: 'held out', color: '--sft-arm', dashed: true, values: columnOf(metrics, heldOut) },
            ],
      norm: [{ label: 'norm', color: '--accent', values: columnOf(metrics, 'gradNorm') }],
    };
  }, [metrics]);
  return (
    <Frame stage="sft">
      {metrics.length === 0 ? (
        <Empty>
          The loss is drawn here, step by step, and a few held-out prompts are answered again and again.
        </Empty>
      ) : (
        <div class="columns">
          <section class="card">
            <Chart
              title="Loss"
              help="Mean negative log-probability of a target token. Lower is better; if the held-out line rises while the other falls, the model learns by heart."
              x={plots.x}
              series={plots.loss}
            />
          </section>
          <section class="card">
            <Chart
              title="Gradient norm"
              help="Length of the whole gradient before clipping. Spikes mean unsteady training: try a lower learning rate."
              x={plots.x}
              series={plots.norm}
            />
          </section>
        </div>
      )}
      <Previews stage="sft" />
    </Frame>
  );
}
