import { openStage } from '../actions.ts';
import { bytes, percent } from '../format.ts';
import { modelName } from '../models/names.ts';
import { choosing, searches } from '../models/state.ts';

/** A download that goes on while another stage is looked at. */
export function DownloadLine() {
  const { model, embedder } = searches.value;
  const search = [model, embedder].find((each) => each?.step === 'fetching');
  if (search === null || search === undefined) return null;
  const { progress, request, checkOnly } = search;
  const share = progress === null ? 0 : progress.bytes / Math.max(1, progress.totalBytes);
  return (
    <button
      type="button"
      class="link small fetching-line"
      data-tip={progress === null ? 'Beginning' : `${bytes(progress.bytes)} of ${bytes(progress.totalBytes)}`}
      onClick={() => {
        choosing.value = request.use;
        openStage(request.use === 'model' ? 'model' : 'filter');
      }}
    >
      {checkOnly ? 'Checking' : 'Fetching'} {modelName(request.name)}, {percent(share, 0)}
    </button>
  );
}
