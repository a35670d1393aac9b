import { useMemo } from 'preact/hooks';
import type { MetricRecord } from '../../pipeline/types.ts';
import { Chart } from '../components/Chart.tsx';
import { Figures } from '../components/Figures.tsx';
import { Previews } from '../components/Previews.tsx';
import { figure, percent } from '../format.ts';
import { columnOf, ends } from '../metrics.ts';
import { config } from '../settings.ts';
import { view } from '../signals.ts';
import { Empty, Frame } from './Frame.tsx';

const HELP = {
  rewards:
    'How much more likely the model makes an answer than the reference does, times beta. Chosen is your target, rejected are the negatives.',
  margin: 'Chosen reward less rejected reward. It should rise and level off.',
  accuracy: 'Share of pairs in which the target has the higher reward. Half is chance.',
  logp: 'Log-probability of the target, all its tokens together. Some fall is normal: preference training only cares about the difference to the negatives.',
  norm: 'Length of the whole gradient before clipping. Spikes mean unsteady training.',
  loss: 'The preference loss. At the start it is 0.69: no preference yet.',
};

export function DpoStage() {
  const metrics = view.value.metrics.dpo;
  const plots = useMemo(() => {
    const line = (label: string, name: string, color = '--accent', dashed = false) => ({
      label,
      color,
      dashed,
      values: columnOf(metrics, name),
    });
    return {
      x: metrics.map((record) => record.step),
      rewards: [line('chosen', 'rewardChosen'), line('rejected', 'rewardRejected', '--sft-arm', true)],
      margin: [line('margin', 'rewardMargin')],
      accuracy: [line('accuracy', 'rewardAccuracy')],
      logp: [line('chosen', 'chosenLogp')],
      norm: [line('norm', 'gradNorm')],
      loss: [line('loss', 'loss')],
    };
  }, [metrics]);
  if (metrics.length === 0) {
    return (
      <Frame stage="dpo">
        <Empty>Rewards, margin and accuracy are drawn here as the model learns to prefer your answers.</Empty>
      </Frame>
    );
  }
  const margin = finalFigure('rewardMargin') ?? ends(metrics, 'rewardMargin')?.[1];
  const accuracy = finalFigure('rewardAccuracy') ?? ends(metrics, 'rewardAccuracy')?.[1];
  const change = chosenChange(metrics, config.value.dpo.beta);
  const { x } = plots;
  const height = 160;
  return (
    <Frame stage="dpo">
      <Figures
        items={[
          { label: 'Step', value: metrics.at(-1)?.step ?? 0 },
          { label: 'Negatives', value: config.value.dpo.negatives, unit: 'a prompt' },
          ...(margin === undefined
            ? []
            : [{ label: 'Reward margin', value: figure(margin), help: HELP.margin }]),
          ...(accuracy === undefined
            ? []
            : [{ label: 'Ranked right', value: percent(accuracy), help: HELP.accuracy }]),
        ]}
      />
      {change < -0.5 && <ChosenNote change={change} />}
      <div class="columns">
        <section class="card">
          <Chart title="Rewards" help={HELP.rewards} x={x} series={plots.rewards} height={height} />
        </section>
        <section class="card">
          <Chart title="Reward margin" help={HELP.margin} x={x} series={plots.margin} height={height} />
        </section>
        <section class="card">
          <Chart
            title="Pairs ranked right"
            help={HELP.accuracy}
            x={x}
            series={plots.accuracy}
            height={height}
            format={asPercent}
          />
        </section>
        <section class="card">
          <Chart
            title="Log-probability of the target"
            help={HELP.logp}
            x={x}
            series={plots.logp}
            height={height}
          />
        </section>
        <section class="card">
          <Chart title="Loss" help={HELP.loss} x={x} series={plots.loss} height={height} />
        </section>
        <section class="card">
          <Chart title="Gradient norm" help={HELP.norm} x={x} series={plots.norm} height={height} />
        </section>
      </div>
      <Previews stage="dpo" />
    </Frame>
  );
}

function asPercent(value: number): string {
  return percent(value, 0);
}

/** A figure of the finished adapter over all pairs; the last step's stands in for it until then. */
function finalFigure(name: string): number | undefined {
  const value = view.value.manifest?.report?.stages.dpo?.[name];
  return typeof value === 'number' ? value : undefined;
}

/**
 * Nats by which the targets' log-probability has moved from the reference, over the last quarter of the steps.
 * Taken from the rewards: the log-probability itself changes with the prompts of a step.
 */
function chosenChange(metrics: readonly MetricRecord[], beta: number): number {
  const rewards = columnOf(metrics, 'rewardChosen').filter((value) => value !== null);
  const last = rewards.slice(Math.floor(rewards.length * 0.75));
  return last.length === 0 ? 0 : last.reduce((sum, each) => sum + each, 0) / last.length / beta;
}

/** A falling log-probability of the target worries people; said in words when it happens. */
function ChosenNote({ change }: { change: number }) {
  return (
    <p class="notice">
      The target answers are {figure(-change, 2)} nats less likely than before this stage. That is normal in
      preference training as long as the negatives fall more, which the margin shows. If answers get worse,
      lower the learning rate, raise beta, or add some of the SFT term (under More).
    </p>
  );
}
