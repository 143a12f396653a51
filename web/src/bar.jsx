import { useSyncExternalStore } from 'react';
import * as token from './token.js';
import * as uploads from './uploads.js';

/** What goes with every operation: the token, and files for those that take some. */
export function Bar() {
  const current = useSyncExternalStore(token.subscribe, token.get);
  return (
    <form className="bar" onSubmit={(event) => event.preventDefault()}>
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
      <label>
        Files to upload <input type="file" multiple onChange={(event) => uploads.choose(event.target.files)} />
      </label>
    </form>
  );
}
