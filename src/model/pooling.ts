/**
 * How an embedder makes one vector of its tokens' vectors, as Sentence Transformers writes it down: modules.json lists
 * the steps after the model itself, and 1_Pooling/config.json has the kind of pooling.
 */
import * as v from 'valibot';
import type { FileSource } from './files.ts';
import { excerpt, InputError } from './text.ts';

export type Pooling = 'mean' | 'cls' | 'last_token';

const FILE = '1_Pooling/config.json';

/** Its names for what can be computed here. */
const KINDS: Readonly<Record<string, Pooling>> = {
  pooling_mode_mean_tokens: 'mean',
  pooling_mode_cls_token: 'cls',
  pooling_mode_lasttoken: 'last_token',
};

const modules = v.array(v.looseObject({ type: v.string(), path: v.optional(v.string()) }));
/** Steps after the model. Normalisation changes no cosine; it is done in any case. */
const STEPS = ['Transformer', 'Pooling', 'Normalize'];

/**
 * The mean where nothing says otherwise.
 *
 * @throws InputError where the folder asks for what can't be computed here
 */
export async function readPooling(source: FileSource): Promise<Pooling> {
  const list = v.safeParse(modules, await json(source, 'modules.json'));
  const other = list.success
    ? list.output.find(({ type }) => !STEPS.includes(type.split('.').at(-1) ?? ''))
    : undefined;
  if (other !== undefined) {
    throw new InputError(
      `${source.name}: modules.json has a step "${excerpt(other.type, 100)}", which is not computed here. Set the pooling to mean or cls to go without it, or use another embedder.`,
    );
  }
  const config = await json(source, FILE);
  if (config === undefined) return 'mean';
  const asked = Object.entries(typeof config === 'object' && config !== null ? config : {}).flatMap(
    ([name, value]) => (name.startsWith('pooling_mode_') && value === true ? [name] : []),
  );
  const [first = 'none'] = asked;
  const kind = asked.length === 1 ? KINDS[first] : undefined;
  if (kind !== undefined) return kind;
  throw new InputError(
    `${source.name}: ${FILE} asks for ${asked.length > 1 ? asked.map((name) => excerpt(name, 60)).join(' and ') : excerpt(first, 60)}, which is not computed here. Set the pooling to mean or cls, or use another embedder.`,
  );
}

/** Undefined where there is no such file. */
async function json(source: FileSource, path: string): Promise<unknown> {
  const bytes = await source.read(path);
  if (bytes === null) return undefined;
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new InputError(`${source.name}: ${path} is not valid JSON`);
  }
}

// A platform class of every browser and Node that the pure core's library settings leave out.
declare const TextDecoder: new (
  encoding: string,
  options: { fatal: boolean },
) => { decode(bytes: Uint8Array): string };
