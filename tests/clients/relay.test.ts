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

  // The store is normalized by the global ids: the track of the newest activity is there, whole.
  const source = listening.getStore().getSource();
  const records = edges.map((_edge, index) => source.get(source.getRecordIDs().filter(isTrack)[index]!));
  assert.deepEqual(new Set(records.map((record) => record?.format)), new Set(['mp3']));

  function isTrack(id: string): boolean {
    return source.get(id)?.__typename === 'Track';
  }
});
