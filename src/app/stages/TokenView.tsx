import { visibleLines } from '../../model/text.ts';

interface TokenViewProps {
  readonly prompt: readonly string[];
  readonly target: readonly string[];
  /** Tokens of prompt and target, where not all are shown. */
  readonly counts?: readonly [prompt: number, target: number];
}

/** Spaces, line ends and what else can't be seen made visible, so that a piece's edges can be told. */
function shown(piece: string): string {
  return visibleLines(piece.replaceAll('\t', '→')).replaceAll(' ', '·').replaceAll('\n', '↵\n');
}

/** Token pieces; those of the target, which the loss counts, are underlined and on their own ground. */
export function TokenView({ prompt, target, counts = [prompt.length, target.length] }: TokenViewProps) {
  const all = [
    ...prompt.map((piece) => ({ piece, trained: false })),
    ...target.map((piece) => ({ piece, trained: true })),
  ];
  return (
    <div class="stack">
      <p class="tokens">
        {all.map(({ piece, trained }, at) => (
          <span key={at} class={trained ? 'token trained' : 'token'}>
            {at === prompt.length && <span class="sr">Target: </span>}
            {shown(piece)}
          </span>
        ))}
      </p>
      <p class="legend">
        <span>
          <span class="token mono">prompt</span> {counts[0]} tokens, read only
        </span>
        <span>
          <span class="token trained mono">target</span> {counts[1]} tokens, underlined, counted by the loss
        </span>
        <span>· is a space, ↵ a line end</span>
      </p>
    </div>
  );
}
