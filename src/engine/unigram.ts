/**
 * Unigram tokenization (XLM-R, T5, multilingual E5, Model2Vec) over flat arrays. transformers.js makes an object of
 * every possible piece, and most of the time that it takes to embed a short text goes there. The pieces are the same.
 */

/** What of transformers.js's Unigram model is used. */
export interface UnigramModel {
  readonly config: { readonly type: 'Unigram' };
  /** Pieces by id; added tokens may lie behind those that have a score. */
  readonly vocab: readonly string[];
  readonly tokens_to_ids: ReadonlyMap<string, number>;
  /** By id. */
  readonly scores: readonly number[];
  readonly unk_score: number;
  /** @returns the pieces of the likeliest segmentation, in order */
  tokenize(normalized: string): string[];
}

/** Whether a tokenizer's model is one, in the layout that is known here. */
export function isUnigram(model: unknown): model is UnigramModel {
  if ((typeof model !== 'object' && typeof model !== 'function') || model === null) return false;
  const known = ['config', 'vocab', 'tokens_to_ids', 'scores', 'unk_score', 'tokenize'] as const;
  if (!known.every((name) => name in model)) return false;
  const config: unknown = Reflect.get(model, 'config');
  return typeof config === 'object' && config !== null && Reflect.get(config, 'type') === 'Unigram';
}

/** Makes `model.tokenize` fast. */
export function hasten(model: UnigramModel): void {
  const segment = segmenter(model);
  model.tokenize = segment;
}

/**
 * What `model.tokenize` does. Pieces are looked at in its order and scores are added up in its order, so that even
 * ties end as they do there.
 */
export function segmenter({
  vocab,
  tokens_to_ids,
  scores,
  unk_score,
}: UnigramModel): (text: string) => string[] {
  const trie = new Trie(vocab.slice(0, scores.length), (piece) => tokens_to_ids.get(piece) ?? -1);
  const lattice = new Lattice();
  return (text) => {
    lattice.begin(text.length);
    for (let start = 0; start < text.length; ) {
      const next = start + ((text.codePointAt(start) ?? 0) > 0xffff ? 2 : 1);
      let single = false;
      let node = 0;
      for (let at = start; at < text.length; at++) {
        node = trie.child(node, text.charCodeAt(at));
        if (node < 0) break;
        const id = trie.piece[node] ?? -1;
        if (id < 0) continue;
        lattice.add(start, at + 1, scores[id] ?? unk_score);
        if (at + 1 === next) single = true;
      }
      if (!single) lattice.add(start, next, unk_score);
      start = next;
    }
    return lattice.path(text);
  };
}

/** A trie of UTF-16 units. Nodes are numbered level by level, so that a node's children lie side by side, sorted. */
class Trie {
  /** By node: its unit, its first child (and, in the next entry, the one behind its last), and the piece's id or -1. */
  private readonly unit: Uint16Array;
  private readonly first: Int32Array;
  readonly piece: Int32Array;

  constructor(pieces: readonly string[], idOf: (piece: string) => number) {
    // JavaScript sorts strings by their units.
    const sorted = [...new Set(pieces)].filter((piece) => piece !== '').sort();
    const most = sorted.reduce((sum, piece) => sum + piece.length, 1);
    this.unit = new Uint16Array(most);
    this.first = new Int32Array(most + 1);
    this.piece = new Int32Array(most).fill(-1);
    /** By node: the range of sorted pieces that begin with it. */
    const [from, to] = [new Int32Array(most), new Int32Array(most)];
    to[0] = sorted.length;
    let nodes = 1;
    let levelEnd = 1;
    let depth = 0;
    for (let node = 0; node < nodes; node++) {
      if (node === levelEnd) [levelEnd, depth] = [nodes, depth + 1];
      this.first[node] = nodes;
      const end = to[node] ?? 0;
      for (let at = from[node] ?? 0; at < end; at++) {
        const piece = sorted[at] ?? '';
        if (piece.length === depth) {
          this.piece[node] = idOf(piece);
          continue;
        }
        const unit = piece.charCodeAt(depth);
        const another = nodes === this.first[node] || this.unit[nodes - 1] !== unit;
        if (another) {
          this.unit[nodes] = unit;
          from[nodes++] = at;
        }
        to[nodes - 1] = at + 1;
      }
    }
    this.first[nodes] = nodes;
  }

  /** The child of a node behind `unit`, or -1. */
  child(node: number, unit: number): number {
    let low = this.first[node] ?? 0;
    const end = this.first[node + 1] ?? 0;
    let high = end;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.unit[middle] ?? 0) < unit) low = middle + 1;
      else high = middle;
    }
    return low < end && this.unit[low] === unit ? low : -1;
  }
}

/** All possible pieces of a text, each with the best way to its end. */
class Lattice {
  private count = 0;
  // By piece, in order of its beginning; the empty one before the text is the first.
  private start = new Int32Array(0);
  private end = new Int32Array(0);
  private score = new Float64Array(0);
  private before = new Int32Array(0);
  /** The next piece that ends where this one does; 0 behind the last. */
  private sibling = new Int32Array(0);
  // By place in the text: the first and the last piece that end there. Before the text that is the empty one.
  private firstEnding = new Int32Array(0);
  private lastEnding = new Int32Array(0);

  begin(length: number): void {
    if (this.firstEnding.length <= length) {
      this.firstEnding = new Int32Array(2 * length + 1);
      this.lastEnding = new Int32Array(2 * length + 1);
    }
    this.firstEnding.fill(0, 0, length + 1);
    this.lastEnding.fill(0, 0, length + 1);
    this.count = 1;
    if (this.start.length === 0) this.grow();
    this.sibling[0] = 0;
  }

  add(start: number, end: number, score: number): void {
    if (this.count === this.start.length) this.grow();
    const piece = this.count++;
    const before = this.best(start, score);
    this.start[piece] = start;
    this.end[piece] = end;
    this.before[piece] = before;
    this.score[piece] = (this.score[before] ?? 0) + score;
    this.sibling[piece] = 0;
    const last = this.lastEnding[end] ?? 0;
    if (last === 0) this.firstEnding[end] = piece;
    else this.sibling[last] = piece;
    this.lastEnding[end] = piece;
  }

  /** The pieces of the best way through the text. */
  path(text: string): string[] {
    const pieces: string[] = [];
    for (let piece = this.best(text.length, 0); piece > 0; piece = this.before[piece] ?? 0)
      pieces.push(text.slice(this.start[piece], this.end[piece]));
    return pieces.reverse();
  }

  /** Of the pieces that end at a place, the first of those that give the most with `score` behind them. */
  private best(place: number, score: number): number {
    let best = this.firstEnding[place] ?? 0;
    let most = (this.score[best] ?? 0) + score;
    for (let piece = this.sibling[best] ?? 0; piece > 0; piece = this.sibling[piece] ?? 0) {
      const sum = (this.score[piece] ?? 0) + score;
      if (sum > most) {
        best = piece;
        most = sum;
      }
    }
    return best;
  }

  private grow(): void {
    const size = Math.max(1024, 2 * this.start.length);
    const longer = <T extends Int32Array | Float64Array>(old: T, next: T): T => {
      next.set(old);
      return next;
    };
    this.start = longer(this.start, new Int32Array(size));
    this.end = longer(this.end, new Int32Array(size));
    this.score = longer(this.score, new Float64Array(size));
    this.before = longer(this.before, new Int32Array(size));
    this.sibling = longer(this.sibling, new Int32Array(size));
  }
}
