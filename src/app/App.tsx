import { useEffect, useState } from 'preact/hooks';
import type { Stage } from '../pipeline/types.ts';
import { dropFiles } from './actions.ts';
import { Banner } from './components/Banner.tsx';
import { Header } from './components/Header.tsx';
import { Rail } from './components/Rail.tsx';
import { RedoNotice } from './components/Settings.tsx';
import { TipBubble } from './components/Tip.tsx';
import { LabPlace } from './lab/LabPlace.tsx';
import { RunsPage } from './runs/RunsPage.tsx';
import { labOpen, ready, runsOpen, said, selected } from './signals.ts';
import { DataStage } from './stages/Data.tsx';
import { DpoStage } from './stages/Dpo.tsx';
import { FilterStage } from './stages/Filter.tsx';
import { ModelStage } from './stages/Model.tsx';
import { Opening } from './stages/Opening.tsx';
import { ResultStage } from './stages/Result.tsx';
import { SampleStage } from './stages/Sample.tsx';
import { SftStage } from './stages/Sft.tsx';

const PAGES: Readonly<Record<Stage, () => preact.JSX.Element>> = {
  model: ModelStage,
  data: DataStage,
  sft: SftStage,
  sample: SampleStage,
  filter: FilterStage,
  dpo: DpoStage,
  evaluate: ResultStage,
};

export function App() {
  const list = runsOpen.value;
  const lab = labOpen.value !== null;
  const stage = selected.value;
  const Page = lab ? LabPlace : list ? RunsPage : stage === null ? Opening : PAGES[stage];
  return (
    <>
      <a class="button skip" href="#main-panel">
        Skip to the stage
      </a>
      <div class={lab ? 'frame at-lab' : stage === null && !list ? 'frame at-opening' : 'frame'}>
        <Header />
        <Rail />
        <main class="main" id="main-panel" tabIndex={-1}>
          <div class="notices">
            <Banner />
          </div>
          {ready.value && <Page key={lab ? 'lab' : list ? 'runs' : (stage ?? 'opening')} />}
          {!lab && <RedoNotice />}
        </main>
      </div>
      <DropCover />
      <TipBubble />
      <p class="sr" role="status">
        {said.value}
      </p>
    </>
  );
}

/** Files may be dropped anywhere on the page. */
function DropCover() {
  const [over, setOver] = useState(false);
  useEffect(() => {
    let depth = 0;
    const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes('Files') === true;
    const enter = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      depth++;
      setOver(true);
    };
    const leave = () => {
      depth = Math.max(0, depth - 1);
      if (depth === 0) setOver(false);
    };
    const allow = (event: DragEvent) => {
      if (hasFiles(event)) event.preventDefault();
    };
    const drop = (event: DragEvent) => {
      depth = 0;
      setOver(false);
      if (event.dataTransfer === null || !hasFiles(event)) return;
      event.preventDefault();
      void dropFiles(event.dataTransfer);
    };
    document.addEventListener('dragenter', enter);
    document.addEventListener('dragleave', leave);
    document.addEventListener('dragover', allow);
    document.addEventListener('drop', drop);
    return () => {
      document.removeEventListener('dragenter', enter);
      document.removeEventListener('dragleave', leave);
      document.removeEventListener('dragover', allow);
      document.removeEventListener('drop', drop);
    };
  }, []);
  if (!over) return null;
  return (
    <div class="drop-cover" aria-hidden="true">
      <p>Drop prompts, a model folder, an adapter or an exported project. It stays on this device.</p>
    </div>
  );
}
