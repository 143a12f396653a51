// Relay's runtime, with the artifacts that its compiler has made of the contract.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import './service.js';
import { connect } from './examples/fetch.js';
import * as example from './examples/relay.js';
import { register } from './examples/tour.js';
import { newName, song, until } from './service.js';

test('Relay: a listener follows a musician, and hears what they publish', async () => {
  const musician = await register(connect, newName());
  const listener = await register(connect, newName());
  const publishing = example.relay(musician.session);
  const listening = example.relay(listener.session);
  let published = 1;
  await example.publish(publishing, song, 'Night Train');
  assert.equal(await example.follow(listening, musician.userId), 'FOLLOWING');
  let heard = 0;
  const stop = example.listen(listening, () => heard++);
  await until(() => heard > 0, async () => {
    await example.publish(publishing, song, `Night Train ${published++}`);
  });
  stop();
  const { edges } = await example.readFeed(listening);
  assert.equal(edges.length, published);

  // What the fragments of the answer refer to is in the store, under its global id.
  const source = listening.getStore().getSource();
  const nodes = edges.map(({ node }) => source.get((node as unknown as { __id: string }).__id));
  assert.deepEqual(new Set(nodes.map((node) => node?.action)), new Set(['track_published']));
  assert.equal(new Set(nodes.map((node) => node?.__id)).size, published);
});
