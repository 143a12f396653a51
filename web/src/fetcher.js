import { createGraphiQLFetcher } from '@graphiql/toolkit';
import * as token from './token.js';
import * as uploads from './uploads.js';

const URL = location.origin + location.pathname;

/** Returns GraphiQL's fetcher: HTTP to the address of this page, subscriptions by graphql-ws, and the token with both. */
export function createFetcher() {
  const send = createGraphiQLFetcher({
    url: URL,
    subscriptionUrl: URL.replace(/^http/, 'ws'),
    enableIncrementalDelivery: false,
  });
  return async (operation, options) => {
    const headers = { ...token.headers(), ...options?.headers };
    const files = uploads.fileVariables(options?.documentAST, operation.operationName);
    const result = await (files.length > 0
      ? upload(uploads.formOf(operation, files), headers)
      : send(operation, { ...options, headers }));
    token.keepFrom(result);
    return result;
  };
}

async function upload(form, headers) {
  const response = await fetch(URL, { method: 'POST', headers: { Accept: 'application/json', ...headers }, body: form });
  return response.json();
}
