import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { type ConfigKey, SETTINGS } from '../../pipeline/settings.ts';
import type { MetricRecord, RunManifest } from '../../pipeline/types.ts';
import { Chart } from '../components/Chart.tsx';
import { Term } from '../components/Tip.tsx';
import { changedKeys, textOf } from '../fields.ts';
import { host } from '../host.ts';
import { problemOf } from '../problems.ts';
import { COMPARED } from '../runstatus.ts';
import { problem, runSizes } from '../signals.ts';
import { overlay } from './overlay.ts';

type Curves = ReadonlyMap<string, { readonly sft: MetricRecord[]; readonly dpo: MetricRecord[] }>;

const PLOTS = [
  { stage: 'sft', name: 'loss', title: 'SFT loss', help: 'Mean negative log-probability of a target token.' },
  { stage: 'dpo', name: 'loss', title: 'DPO loss', help: 'The preference loss; 0.69 is no preference yet.' },
  {
    stage: 'dpo',
    name: 'rewardMargin',
    title: 'DPO reward margin',
    help: 'Chosen reward less rejected reward. It should rise and level off.',
  },
  {
    stage: 'dpo',
    name: 'rewardAccuracy',
    title: 'DPO pairs ranked right',
    help: 'Share of pairs in which the target has the higher reward. Half is chance.',
  },
] as const;

/** Runs side by side: settings that differ, figures with their doubt, curves laid over each other. */
export function Compare({ chosen, onClose }: { chosen: readonly RunManifest[]; onClose: () => void }) {
  const heading = useRef<HTMLHeadingElement>(null);
  const [curves, setCurves] = useState<Curves>(new Map());
  const ids = chosen.map(({ id }) => id).join(' ');
  useEffect(() => heading.current?.focus(), []);
  useEffect(() => {
    let alive = true;
    readCurves(ids.split(' ')).then(
      (read) => {
        if (alive) setCurves(read);
      },
      (error: unknown) => {
        problem.value = problemOf('The curves could not be read', error, 'Nothing was changed.');
      },
    );
    return () => {
      alive = false;
    };
  }, [ids]);
  return (
    <section class="card" aria-label="Comparison">
      <header>
        <h3 ref={heading} tabIndex={-1}>
          {chosen.length} runs compared
        </h3>
        <button type="button" class="button" onClick={onClose}>
          Close the comparison
        </button>
      </header>
      <div class="scroll-x">
        <table class="table">
          <thead>
            <tr>
              <th scope="col">
                <span class="sr">Setting or figure</span>
              </th>
              {chosen.map((run) => (
                <th key={run.id} scope="col" class="run-column">
                  {run.name}
                </th>
              ))}
            </tr>
          </thead>
          <Differences chosen={chosen} />
          <ComparedFigures chosen={chosen} />
        </table>
      </div>
      <Overlays chosen={chosen} curves={curves} />
    </section>
  );
}

function Differences({ chosen }: { chosen: readonly RunManifest[] }) {
  const [first, ...others] = chosen;
  if (first === undefined) return null;
  const keys = new Set<ConfigKey>(others.flatMap((run) => changedKeys(first.config, run.config)));
  const dataNames = chosen.map(({ id }) => runSizes.value.get(id)?.dataset ?? '');
  const otherData = new Set(chosen.map(({ datasetId }) => datasetId)).size > 1;
  return (
    <tbody>
      <Heading columns={chosen.length}>Settings that differ</Heading>
      {otherData && <Line label="Data" help="The data set of the run." values={dataNames} />}
      {[...keys].map((key) => (
        <Line
          key={key}
          label={SETTINGS[key].label}
          help={SETTINGS[key].help}
          values={chosen.map(({ config }) => textOf(config, key))}
        />
      ))}
      {keys.size === 0 && !otherData && (
        <tr>
          <td colSpan={chosen.length + 1} class="muted">
            None: the runs have the same settings and data.
          </td>
        </tr>
      )}
    </tbody>
  );
}

function ComparedFigures({ chosen }: { chosen: readonly RunManifest[] }) {
  const lines = COMPARED.map((each) => ({ ...each, values: chosen.map(each.of) })).filter(({ values }) =>
    values.some((value) => value !== ''),
  );
  return (
    <tbody>
      <Heading columns={chosen.length}>Figures</Heading>
      {lines.map(({ label, help, values }) => (
        <Line key={label} label={label} help={help} values={values} />
      ))}
      {lines.length === 0 && (
        <tr>
          <td colSpan={chosen.length + 1} class="muted">
            None of these runs has been measured yet.
          </td>
        </tr>
      )}
    </tbody>
  );
}

function Heading({ columns, children }: { columns: number; children: string }) {
  return (
    <tr>
      <th colSpan={columns + 1} scope="rowgroup" class="group">
        {children}
      </th>
    </tr>
  );
}

function Line({ label, help, values }: { label: string; help: string; values: readonly string[] }) {
  return (
    <tr>
      <th scope="row">
        <Term help={help}>{label}</Term>
      </th>
      {values.map((value, i) => (
        <td key={i}>{value === '' ? '–' : value}</td>
      ))}
    </tr>
  );
}

function Overlays({ chosen, curves }: { chosen: readonly RunManifest[]; curves: Curves }) {
  const plots = useMemo(
    () =>
      PLOTS.map((plot) => {
        const lines = chosen.map(({ id, name }) => ({
          name,
          records: curves.get(id)?.[plot.stage] ?? [],
        }));
        return { ...plot, ...overlay(lines, plot.name) };
      }).filter(({ x }) => x.length > 0),
    [chosen, curves],
  );
  if (plots.length === 0) return null;
  return (
    <div class="columns">
      {plots.map(({ title, help, x, series }) => (
        <Chart key={title} title={title} help={help} x={x} series={series} height={170} />
      ))}
    </div>
  );
}

async function readCurves(ids: readonly string[]): Promise<Curves> {
  const read = async (id: string) => {
    const store = await host.runStore(id);
    const [sft, dpo] = await Promise.all([store.metrics('sft'), store.metrics('dpo')]);
    return [id, { sft, dpo }] as const;
  };
  return new Map(await Promise.all(ids.map(read)));
}
