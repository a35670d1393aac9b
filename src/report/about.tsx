/** How it was computed: settings, seeds, versions, fingerprints and timings. */
import { count, duration, percent } from '../lab/format.ts';
import type { LabReport } from '../lab/types.ts';
import { CONFIG_KEYS, DEFAULT_CONFIG, type RunConfig } from '../pipeline/config.ts';
import { visible } from './text.ts';

/** The value at a dotted path of the settings, as text. */
function settingText(config: RunConfig, key: string): string {
  let value: unknown = config;
  for (const part of key.split('.')) {
    value = typeof value === 'object' && value !== null ? Reflect.get(value, part) : undefined;
  }
  return Array.isArray(value) ? value.join(', ') : value === undefined ? '–' : visible(String(value));
}

/** Every setting: its key and value, and the default where that is another. */
export function settingsOf(config: RunConfig): { key: string; value: string; usual?: string }[] {
  return CONFIG_KEYS.map((key) => {
    const [value, usual] = [settingText(config, key), settingText(DEFAULT_CONFIG, key)];
    return { key, value, ...(value !== usual && { usual }) };
  });
}

/** What it was computed of and with: name and value. */
export function originOf(report: LabReport): { what: string; value: string }[] {
  const { data, model, device, embedder, reward, versions, seeds } = report;
  const named = (what: string, info: { name: string; fingerprint: string } | undefined) =>
    info
      ? [
          { what, value: visible(info.name) },
          ...(info.fingerprint === ''
            ? []
            : [{ what: `${what}, SHA-256`, value: visible(info.fingerprint) }]),
        ]
      : [];
  return [
    ...named('data', data),
    {
      what: 'prompts',
      value: `${count(data.train)} to train on, ${count(data.working)} working, ${count(data.final)} final`,
    },
    { what: 'seeds', value: seeds.join(', ') },
    ...named('model', model),
    ...(model
      ? [
          {
            what: 'model size',
            value: `${count(model.parameterCount)} parameters, ${model.layers} layers, ${visible(model.architecture)}, weights ${model.precision ?? 'f32'}`,
          },
        ]
      : []),
    ...named('embedder', embedder),
    ...named('reward model', reward),
    ...(device
      ? [{ what: 'device', value: visible(`${device.description}${device.note && ` (${device.note})`}`) }]
      : []),
    ...Object.entries(versions).map(([what, value]) => ({ what: visible(what), value: visible(value) })),
  ];
}

/** Pairs of a name and a value. */
function Pairs({ rows }: { rows: readonly { what: string; value: string; note?: string }[] }) {
  return (
    <dl class="lr-pairs">
      {rows.map(({ what, value, note }) => (
        <div key={what}>
          <dt>{what}</dt>
          <dd>
            {value} {note !== undefined && <span class="lr-muted">({note})</span>}
          </dd>
        </div>
      ))}
    </dl>
  );
}

export function Origin({ report }: { report: LabReport }) {
  return <Pairs rows={originOf(report)} />;
}

export function Configuration({ config }: { config: RunConfig }) {
  return (
    <Pairs
      rows={settingsOf(config).map(({ key, value, usual }) => ({
        what: key,
        value,
        note: usual === undefined ? undefined : `default ${usual}`,
      }))}
    />
  );
}

export function Timings({ report }: { report: Pick<LabReport, 'timings' | 'seconds'> }) {
  const { timings, seconds } = report;
  return (
    <table class="lr-table lr-timings">
      <tbody>
        {timings.map((each, i) => (
          <tr key={`${i} ${each.label}`}>
            <th scope="row">{visible(each.label)}</th>
            <td>{duration(each.seconds)}</td>
            <td class="lr-muted">{seconds > 0 ? percent(each.seconds / seconds, 0) : ''}</td>
          </tr>
        ))}
      </tbody>
      <tfoot>
        <tr>
          <th scope="row">all together</th>
          <td>{duration(seconds)}</td>
          <td />
        </tr>
      </tfoot>
    </table>
  );
}
