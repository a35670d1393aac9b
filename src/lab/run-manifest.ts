/** The lab's manifest while it is worked on: every change is read, made and stored by itself, one after the other. */
import type { LabContext } from './run.ts';
import type { LabManifest, Piece } from './types.ts';
import type { Work } from './work.ts';

export class ManifestKeeper {
  private last: Promise<unknown> = Promise.resolve();

  constructor(private readonly context: Pick<LabContext, 'store' | 'emit'>) {}

  read(): Promise<LabManifest> {
    return this.context.store.manifest();
  }

  /** What others have stored meanwhile (marks, a new name) stays. */
  change(changed: (manifest: LabManifest) => LabManifest): Promise<LabManifest> {
    const next = this.last.then(async () => {
      const manifest = changed(await this.read());
      await this.context.store.saveManifest(manifest);
      this.context.emit({ type: 'manifest', manifest });
      return manifest;
    });
    this.last = next.catch(() => undefined);
    return next;
  }

  /** Stores how a piece stands; `seconds` are added to those of earlier sittings. */
  async piece(
    work: Work,
    seconds: number,
    change: Pick<Piece, 'state' | 'figures' | 'error'>,
  ): Promise<Piece> {
    const { key, kind, label, seed } = work;
    const manifest = await this.change((before) => {
      const { state, figures, error } = change;
      const spent = (before.pieces[key]?.seconds ?? 0) + seconds;
      const piece: Piece = {
        key,
        kind,
        label,
        seed,
        state,
        seconds: spent,
        figures,
        ...(error && { error }),
      };
      return { ...before, pieces: { ...before.pieces, [key]: piece } };
    });
    const piece = manifest.pieces[key];
    if (!piece) throw new Error('internal: the piece was not stored');
    this.context.emit({ type: 'piece', piece });
    return piece;
  }
}
