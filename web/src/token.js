// The access token of the one who explores. It is kept for this tab alone, and is gone when the tab is closed.

const KEY = 'pet:access-token';
const listeners = new Set();

export function get() {
  return sessionStorage.getItem(KEY) ?? '';
}

export function set(token) {
  sessionStorage.setItem(KEY, token.trim());
  for (const listener of listeners) listener();
}

export function subscribe(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Returns the headers of a request, which are the payload of `connection_init` too. */
export function headers() {
  return get() ? { Authorization: `Bearer ${get()}` } : {};
}

/** Keeps the token of a session that a mutation has opened or refreshed, whatever the mutation is aliased to. */
export function keepFrom(result) {
  for (const payload of Object.values(result?.data ?? {})) {
    const opened = payload?.session?.accessToken;
    if (typeof opened === 'string') set(opened);
  }
}
