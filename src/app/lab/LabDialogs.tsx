import type { LabManifest } from '../../lab/types.ts';
import { deleteLab, renameLab } from '../actions/lab-list.ts';
import { openLab } from '../actions.ts';
import { bytes } from '../format.ts';
import { Dialog } from '../runs/Dialog.tsx';
import { labOpen } from '../signals.ts';
import { labSizes } from './signals.ts';

interface LabDialogProps {
  readonly lab: LabManifest;
  readonly onClose: () => void;
}

export function RenameLab({ lab, onClose }: LabDialogProps) {
  return (
    <Dialog title="Name of the lab" onClose={onClose}>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          const name = String(new FormData(event.currentTarget).get('name') ?? '');
          void renameLab(lab.id, name).then(onClose);
        }}
      >
        <label class="field">
          <span class="label">Name</span>
          <input class="input" name="name" defaultValue={lab.name} maxLength={120} required />
        </label>
        <div class="row">
          <button class="button primary" type="submit">
            Save
          </button>
          <button class="button" type="button" onClick={onClose}>
            Cancel
          </button>
        </div>
      </form>
    </Dialog>
  );
}

/** Says what goes before it goes. */
export function DeleteLab({ lab, onClose }: LabDialogProps) {
  const size = labSizes.value.get(lab.id);
  return (
    <Dialog title="Delete the lab" onClose={onClose}>
      <p>
        Delete “{lab.name}” with all answers, adapters, figures and verdicts from this device?
        {size !== undefined && ` About ${bytes(size.bytes)} are freed.`} Data that a run or another lab uses
        stays, models stay. This cannot be undone.
      </p>
      <div class="row">
        <button
          class="button primary"
          type="button"
          onClick={() => {
            onClose();
            void deleteLab(lab.id);
            if (labOpen.value === lab.id) openLab('');
          }}
        >
          Delete
        </button>
        <button class="button" type="button" onClick={onClose}>
          Cancel
        </button>
      </div>
    </Dialog>
  );
}
