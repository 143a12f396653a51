// GraphQL over HTTP to the letter: the audits of graphql-http, every MUST, SHOULD and MAY.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { auditServer } from 'graphql-http';
import { url } from './service.js';

test('GraphQL over HTTP: every audit passes', async () => {
  const results = await auditServer({ url });
  const passed = results.filter(({ status }) => status === 'ok');
  const failed = results.filter(({ status }) => status !== 'ok').map(({ id, name, status }) => ({ id, name, status }));
  console.log(`graphql-http audit: ${passed.length} of ${results.length}`);
  assert.deepEqual(failed, []);
  assert.equal(results.length, 61);
});
