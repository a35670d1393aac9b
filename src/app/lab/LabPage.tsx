import { useEffect } from 'preact/hooks';
import { Report } from '../../report/index.ts';
import { listLabs, showLab } from '../actions/lab-list.ts';
import { labOpen } from '../signals.ts';
import '../styles/lab.css';
import { LabList } from './LabList.tsx';
import { LabView } from './LabView.tsx';
import { NewLab } from './NewLab.tsx';
import { lab, labs, printing } from './signals.ts';

/** The second place of the page: the list of labs, the form for a new one, or one lab. */
export function LabPage() {
  const id = labOpen.value ?? '';
  useEffect(() => void listLabs(), []);
  useEffect(() => {
    if (id !== '' && id !== 'new') void showLab(id);
  }, [id]);
  if (id === 'new') return <NewLab />;
  if (id === '') return labs.value?.length === 0 ? <NewLab /> : <LabList />;
  const { manifest, report } = lab.value;
  if (printing.value && report !== null) {
    return (
      <div class="lab-print">
        <Report report={report} />
      </div>
    );
  }
  return manifest?.id === id ? <LabView manifest={manifest} /> : <p class="page muted">Reading the lab.</p>;
}
