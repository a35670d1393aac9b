/** YAML as configuration files need it: a mapping whose values are written as JSON, which YAML includes. */

/** One line a key. Numbers always have a point where they have an exponent: YAML 1.1 reads 1e-8 as text. */
export function yaml(values: Readonly<Record<string, unknown>>): string {
  return Object.entries(values)
    .map(([key, value]) => `${key}: ${scalar(value)}\n`)
    .join('');
}

function scalar(value: unknown): string {
  if (typeof value === 'number') return String(value).replace(/^(-?\d+)e/, '$1.0e');
  if (Array.isArray(value)) return `[${value.map(scalar).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    return `{${Object.entries(value)
      .map(([key, inner]) => `${key}: ${scalar(inner)}`)
      .join(', ')}}`;
  }
  return JSON.stringify(value);
}
