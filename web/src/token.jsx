import { useSyncExternalStore } from 'react';
import * as token from './token.js';

/** The box for the token: every operation is sent with what is in it. */
export function TokenBar() {
  const current = useSyncExternalStore(token.subscribe, token.get);
  return (
    <form className="token-bar" onSubmit={(event) => event.preventDefault()}>
      <label htmlFor="token">Access token</label>
      <input
        id="token"
        type="password"
        autoComplete="off"
        spellCheck={false}
        placeholder="Paste one, or run Register or Login: theirs is kept here by itself"
        value={current}
        onChange={(event) => token.set(event.target.value)}
      />
      <button type="button" disabled={!current} onClick={() => token.set('')}>
        Forget
      </button>
      <output>{current ? 'Sent with every operation' : 'You are a guest'}</output>
    </form>
  );
}
