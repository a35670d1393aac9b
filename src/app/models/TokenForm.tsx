import { useState } from 'preact/hooks';
import type { HubUse } from '../../hub/api.ts';
import { giveToken } from '../actions.ts';
import { config } from '../settings.ts';
import { hostOf } from './names.ts';

/** Takes an access token. It stays in the field and in the worker that fetches; nothing stores it. */
export function TokenForm({ use, primary = false }: { use: HubUse; primary?: boolean }) {
  const [token, setToken] = useState('');
  const [given, setGiven] = useState(false);
  return (
    <form
      class="stack token-form"
      onSubmit={(event) => {
        event.preventDefault();
        setGiven(token.trim() !== '');
        setToken('');
        void giveToken(use, token);
      }}
    >
      <div class="row">
        <input
          class="input"
          type="password"
          aria-label="Access token"
          placeholder="Access token"
          autocomplete="off"
          data-tip="For gated and private models. A token that may only read is enough."
          value={token}
          onInput={(event) => setToken(event.currentTarget.value)}
        />
        <button
          type="submit"
          class={primary ? 'button primary' : 'button'}
          disabled={token.trim() === '' && !given}
        >
          {token.trim() === '' && given ? 'Forget the token' : 'Use this token'}
        </button>
      </div>
      <p class="small muted">
        {given ? 'A token is set. ' : ''}Kept until this tab is closed, and sent to {hostOf(config.value.hub)}{' '}
        alone.
      </p>
    </form>
  );
}
