// Every client of docs/graphql-clients.md walks through a started PET.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import './service.js';
import * as apollo from './examples/apollo.js';
import * as plain from './examples/fetch.js';
import * as operations from './examples/generated/operations.js';
import type { Session } from './examples/session.js';
import * as sse from './examples/sse.js';
import * as tour from './examples/tour.js';
import * as urql from './examples/urql.js';
import * as websocket from './examples/websocket.js';
import { newName, song, until } from './service.js';

type Connect = (session: Session) => tour.App;

const CLIENTS: Record<string, { connect: Connect; upload: Connect }> = {
  fetch: { connect: plain.connect, upload: plain.connect },
  'Apollo Client': { connect: apollo.connect, upload: apollo.connect },
  urql: { connect: urql.connect, upload: urql.connect },
  'graphql-ws': { connect: websocket.connect, upload: plain.connect },
  'graphql-sse': { connect: sse.connect, upload: plain.connect },
};

for (const [client, { connect, upload }] of Object.entries(CLIENTS)) {
  test(`${client}: a listener follows a musician, and hears what they publish`, async () => {
    const musician = await tour.register(connect, newName());
    const listener = await tour.register(connect, newName());
    const uploader = { ...musician, app: upload(musician.session) };
    const published = ['Night Train'];
    assert.deepEqual(await tour.describe(musician), ['jazz', 'soul']);
    const url = await tour.publish(uploader, song, 'Night Train');
    assert.equal((await fetch(url!)).headers.get('content-length'), String(song.size));
    assert.equal(await tour.follow(listener, musician.userId), 'FOLLOWING');

    if (listener.app.listen) {
      const heard: string[] = [];
      const stop = tour.listen(listener, (told) => heard.push(told));
      // A subscription is not acknowledged, so what is published too early is not heard.
      await until(() => heard.length > 0, async () => {
        published.push(`Night Train ${published.length}`);
        await tour.publish(uploader, song, published.at(-1)!);
      });
      stop();
      assert.ok(published.map((title) => `The Musician published ${title}`).includes(heard[0]!), heard[0]);
    }

    const newestFirst = published.toReversed().map((title) => `The Musician published ${title}`);
    assert.deepEqual(await tour.readFeed(listener, 1), [...newestFirst, 'The Musician is new']);
  });

  test(`${client}: a session is renewed once before it expires, and logging in opens another`, async () => {
    const username = newName();
    const person = await tour.register(connect, username);
    const first = person.session.tokens!;
    person.session.keep({ ...first, expiresAt: new Date().toISOString() });
    const names = await Promise.all([1, 2, 3].map(() => whoAmI(person)));
    assert.deepEqual(names, [username, username, username]);
    const second = person.session.tokens!;
    assert.notEqual(second.refreshToken, first.refreshToken);

    await tour.logIn(person, `${username}@example.com`);
    assert.notEqual(person.session.tokens!.refreshToken, second.refreshToken);
    const { me } = await person.app.run(operations.MeDocument, {});
    assert.deepEqual(me?.sessions.map(({ current }) => current).toSorted(), [false, true]);
  });

  test(`${client}: what a guest may not do is refused with a code`, async () => {
    const guest = await tour.register(connect, newName());
    guest.session.keep(null);
    await assert.rejects(tour.readFeed(guest), (error) => codeOf(error) === 'UNAUTHENTICATED');
    const taken = newName();
    await tour.register(connect, taken);
    await assert.rejects(tour.register(connect, taken), /^Error: Email already exists$/);
  });
}

async function whoAmI(person: tour.Person): Promise<string | undefined> {
  return (await person.app.run(operations.MeDocument, {})).me?.username;
}

/** Returns the code that each client's own kind of error carries. */
function codeOf(error: unknown): unknown {
  type Coded = { extensions: { code: string } };
  const { code, errors, graphQLErrors } = error as { code?: string; errors?: Coded[]; graphQLErrors?: Coded[] };
  return code ?? (errors ?? graphQLErrors)?.[0]?.extensions.code;
}
