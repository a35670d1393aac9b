/** The words of the default domain, and their forms. */

const list = (words: string): readonly string[] => words.trim().split(/\s+/);

/** Nouns by kind. */
export const kinds: Readonly<Record<string, readonly string[]>> = {
  animal: list('horse cow dog cat mouse sheep goat fox wolf bear lion tiger rabbit duck goose chicken deer'),
  fruit: list('apple pear plum cherry peach lemon orange banana grape melon berry fig'),
  vegetable: list('carrot potato tomato onion cabbage bean pea pumpkin pepper leek'),
  tool: list('hammer saw axe knife shovel brush ladder nail rope drill needle hook'),
  garment: list('hat coat shirt shoe dress scarf glove sock belt jacket boot skirt'),
  vehicle: list('car bus train ship boat truck bicycle plane tram taxi wagon'),
  instrument: list('piano violin flute drum guitar trumpet harp organ bell'),
  person: list(
    'baker doctor teacher farmer singer driver painter nurse soldier king child woman man wife thief',
  ),
  place: list('house school church market bridge garden forest river beach city village park hotel library'),
  furniture: list('table chair bed shelf desk sofa bench lamp mirror cupboard'),
  vessel: list('cup plate bowl bottle glass box basket bucket jar dish'),
  'part of the body': list('hand foot tooth eye ear nose arm leg knee head finger'),
};

export const colors = list('red blue green yellow black white brown grey pink purple');

const irregularPlurals: Readonly<Record<string, string>> = {
  mouse: 'mice',
  sheep: 'sheep',
  goose: 'geese',
  deer: 'deer',
  child: 'children',
  woman: 'women',
  man: 'men',
  wife: 'wives',
  thief: 'thieves',
  knife: 'knives',
  wolf: 'wolves',
  shelf: 'shelves',
  scarf: 'scarves',
  foot: 'feet',
  tooth: 'teeth',
  potato: 'potatoes',
  tomato: 'tomatoes',
  piano: 'pianos',
};

export const nouns: readonly string[] = Object.values(kinds).flat();
/** Nouns of one part of the vocabulary used where any thing will do. */
export const things = ['fruit', 'tool', 'garment', 'vessel', 'instrument'].flatMap(
  (kind) => kinds[kind] ?? [],
);
export const places = kinds.place ?? [];
export const furniture = kinds.furniture ?? [];
export const animals = kinds.animal ?? [];

export function plural(noun: string): string {
  return irregularPlurals[noun] ?? withEs(noun);
}

/** Wrong plurals that look like plurals: `mouses`, `boxs`, `berrys`. */
export function falsePlurals(noun: string): string[] {
  return [`${noun}s`, `${noun}es`, withEs(noun), noun].filter((form) => form !== plural(noun));
}

export function article(word: string): string {
  return /^[aeio]/.test(word) ? `an ${word}` : `a ${word}`;
}

/** Adds s or es by the spelling rules; used for plurals and for `he walks`. */
export function withEs(word: string): string {
  if (/(?:s|x|z|ch|sh)$/.test(word) || /^(?:go|do)$/.test(word)) return `${word}es`;
  if (/[^aeiou]y$/.test(word)) return `${word.slice(0, -1)}ies`;
  return `${word}s`;
}

/** Verbs of moving, used with `to the PLACE`. */
const going =
  'walk:walked go:went run:ran drive:drove ride:rode fly:flew come:came hurry:hurried travel:traveled';
/** Verbs that take a thing. */
const doing = `buy:bought sell:sold take:took bring:brought find:found lose:lost break:broke carry:carried
  hide:hid clean:cleaned paint:painted hold:held see:saw need:needed want:wanted steal:stole make:made
  choose:chose keep:kept drop:dropped throw:threw catch:caught wash:washed touch:touched move:moved`;
const others = `sing:sang swim:swam eat:ate drink:drank write:wrote read:read speak:spoke sleep:slept dream:dreamed
  think:thought know:knew grow:grew fall:fell begin:began sit:sat stand:stood win:won fight:fought teach:taught
  learn:learned laugh:laughed cry:cried smile:smiled dance:danced play:played work:worked wait:waited open:opened
  close:closed push:pushed pull:pulled cook:cooked bake:baked help:helped listen:listened shout:shouted
  jump:jumped climb:climbed build:built send:sent spend:spent leave:left meet:met feel:felt tell:told give:gave
  forget:forgot wear:wore draw:drew shake:shook wake:woke blow:blew ring:rang burn:burned plan:planned stop:stopped`;

export type Verb = readonly [base: string, past: string];
const verbList = (text: string): readonly Verb[] =>
  list(text).map((entry) => {
    const [base, past] = entry.split(':');
    if (!base || !past) throw new Error(`internal: verb ${entry}`);
    return [base, past];
  });

export const goingVerbs = verbList(going);
export const doingVerbs = verbList(doing);
export const verbs: readonly Verb[] = [...goingVerbs, ...doingVerbs, ...verbList(others)];

/** Past forms that look right and are not: `goed`, `go`, `going`. */
export function falsePasts([base, past]: Verb): string[] {
  const stem = base.endsWith('e') ? base.slice(0, -1) : base;
  return [`${stem}ed`, base, `${stem}ing`, withEs(base)].filter((form) => form !== past);
}

/** Pairs of opposites; every word has a comparative. */
const pairs = `hot:cold big:small tall:short old:young fast:slow rich:poor strong:weak hard:soft loud:quiet
  light:dark dry:wet thick:thin wide:narrow high:low heavy:easy clean:dirty sweet:bitter near:far happy:sad
  cheap:dear early:late long:brief deep:shallow good:bad bright:dim full:empty smooth:rough brave:shy
  sharp:blunt kind:cruel wise:foolish warm:cool new:ancient fat:lean calm:angry proud:humble tight:loose`;
const oddPairs = new Set(['heavy', 'long', 'new', 'light']);

export const opposites: readonly (readonly [string, string])[] = list(pairs)
  .map((pair): readonly [string, string] => {
    const [a, b] = pair.split(':');
    if (!a || !b) throw new Error(`internal: pair ${pair}`);
    return [a, b];
  })
  .filter(([a]) => !oddPairs.has(a));

/** The opposite of every adjective, in both directions. */
export const oppositeOf: ReadonlyMap<string, string> = new Map(
  opposites.flatMap(([a, b]): [string, string][] => [
    [a, b],
    [b, a],
  ]),
);

const comparatives: Readonly<Record<string, string>> = { good: 'better', bad: 'worse', far: 'farther' };
const doubled = new Set(list('hot big wet thin sad dim fat'));
const withMore = new Set(list('bitter cruel foolish humble ancient loose'));
export const gradable: readonly string[] = [...oppositeOf.keys(), 'light', 'heavy', 'long', 'new'].filter(
  (word) => !withMore.has(word),
);

export function comparative(word: string): string {
  const known = comparatives[word];
  if (known) return known;
  if (doubled.has(word)) return `${word}${word.at(-1)}er`;
  return `${stem(word)}er`;
}

export function falseComparatives(word: string): string[] {
  const forms = [`${stem(word)}est`, `${word}er`, `more ${word}`, word];
  return forms.filter((form) => form !== comparative(word));
}

function stem(word: string): string {
  if (word.endsWith('e')) return word.slice(0, -1);
  return /[^aeiou]y$/.test(word) && word !== 'shy' ? `${word.slice(0, -1)}i` : word;
}

export const names = list(
  'Anna Tom Mary John Peter Lisa Paul Emma David Sarah Max Julia Ben Clara Mark Nina Adam Rosa Simon Laura',
);
export const days = list('Monday Tuesday Wednesday Thursday Friday Saturday Sunday');
export const months = list(
  'January February March April May June July August September October November December',
);
export const numbers = list(
  `zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
  seventeen eighteen nineteen twenty`,
);
