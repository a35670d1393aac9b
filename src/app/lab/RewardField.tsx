import { useEffect } from 'preact/hooks';
import { listModels } from '../actions.ts';
import { storedFolders } from '../models/state.ts';
import { Words } from './NewLab.tsx';

/** A reward model as a further judge: by hub id, or a folder that is stored here. */
export function RewardField({ value, onChange }: { value: string; onChange: (name: string) => void }) {
  useEffect(() => void listModels(), []);
  void storedFolders;
  return (
    <Words
      label="Reward model"
      help="A sequence-classification model of a hub, by its id, or the name of a stored folder: it scores every held-out answer, and gives the paper’s win rate against the target. Left empty, there is none."
      value={value}
      onInput={onChange}
    />
  );
}
