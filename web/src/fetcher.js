import { createGraphiQLFetcher } from '@graphiql/toolkit';
import * as token from './token.js';

/** Returns GraphiQL's fetcher: HTTP to the address of this page, subscriptions by graphql-ws, and the token with both. */
export function createFetcher() {
  const url = location.origin + location.pathname;
  const send = createGraphiQLFetcher({
    url,
    subscriptionUrl: url.replace(/^http/, 'ws'),
    enableIncrementalDelivery: false,
  });
  return async (operation, options) => {
    const result = await send(operation, { ...options, headers: { ...token.headers(), ...options?.headers } });
    token.keepFrom(result);
    return result;
  };
}
