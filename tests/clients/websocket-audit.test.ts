// The protocol graphql-transport-ws to the letter: every wrong frame ends in its own close code, every right one in none.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WebSocket, type ClientOptions } from 'ws';
import { connect } from './examples/fetch.js';
import { register } from './examples/tour.js';
import { newName, url } from './service.js';

const SOCKET = url.replace(/^http/, 'ws');
const { session } = await register(connect, newName());
const INIT = { type: 'connection_init', payload: await session.headers() };
const FEED = 'subscription { feedActivity { id } }';
const OPEN = 'open';

type Frame = object | string | Buffer;

interface Outcome {
  /** The close code, the HTTP status that refused the socket, or OPEN where it was still open at the end. */
  end: number | string;
  messages: { type: string; id?: string; payload?: unknown }[];
}

function subscribe(id: string, query: string): object {
  return { type: 'subscribe', id, payload: { query } };
}

/** Opens a socket, sends frames, and waits for the end or for so many milliseconds. */
function talk(frames: Frame[], options: { protocol?: string; wait?: number } & ClientOptions = {}): Promise<Outcome> {
  const { protocol = 'graphql-transport-ws', wait = 1000, ...rest } = options;
  const messages: Outcome['messages'] = [];
  return new Promise((resolve) => {
    const socket = new WebSocket(SOCKET, protocol, rest);
    const finish = (end: number | string) => resolve({ end, messages });
    socket.on('open', () => {
      for (const frame of frames) {
        socket.send(typeof frame === 'string' || Buffer.isBuffer(frame) ? frame : JSON.stringify(frame));
      }
    });
    socket.on('message', (data) => messages.push(JSON.parse(String(data))));
    socket.on('close', (code) => finish(code));
    socket.on('unexpected-response', (_request, response) => finish(`HTTP ${response.statusCode}`));
    socket.on('error', (error) => finish(error.message));
    setTimeout(() => {
      finish(OPEN);
      socket.terminate();
    }, wait).unref();
  });
}

const CLOSED: [name: string, frames: Frame[], codes: (number | string)[], options?: Parameters<typeof talk>[1]][] = [
  ['text that is no JSON', ['{nope'], [4400]],
  ['a message of an unknown type', [{ type: 'zzz' }], [4400]],
  ['a message without a type', ['{}'], [4400]],
  ['a list', ['[]'], [4400]],
  ['null', ['null'], [4400]],
  ['a binary frame', [Buffer.from([0xff, 0xfe])], [4400, 1003, 1007]],
  ['a subscription before connection_init', [subscribe('1', '{ __typename }')], [4401]],
  ['a second connection_init', [INIT, INIT], [4429]],
  ['a subscription without an id', [INIT, { type: 'subscribe', payload: { query: '{ __typename }' } }], [4400]],
  ['a subscription without a query', [INIT, { type: 'subscribe', id: '1', payload: {} }], [4400]],
  ['the same id twice', [INIT, subscribe('1', FEED), subscribe('1', FEED)], [4409]],
  ['a message of 2 MB', [`{"type":"connection_init","payload":{"x":"${'y'.repeat(2 << 20)}"}}`], [1009, 4400, 4413]],
  ['a message without a bottom', [`{"type":"connection_init","payload":${'['.repeat(5e4)}${']'.repeat(5e4)}}`], [4400, 1009]],
  ['a bad token', [{ type: 'connection_init', payload: { Authorization: 'Bearer a.b.c' } }], [4403]],
  // The client ends the last one: it sees by the handshake that the server does not speak the protocol.
  ['an unknown subprotocol', [], ['HTTP 400', 'HTTP 403', 4406, 'Server sent no subprotocol'], { protocol: 'nope' }],
  ['a page of a foreign origin', [INIT], ['HTTP 403', 4403], { origin: 'http://evil.example' }],
  ['silence', [], [4408], { wait: 15_000 }],
];

for (const [name, frames, codes, options] of CLOSED) {
  test(`${name} is answered with ${codes.join(' or ')}`, async () => {
    const { end } = await talk(frames, options);
    assert.ok(codes.includes(end), `it ended with ${end}`);
  });
}

test('a query is answered over the socket', async () => {
  const { end, messages } = await talk([INIT, subscribe('1', '{ __typename }')]);
  assert.equal(end, OPEN);
  assert.deepEqual(messages.map(({ type }) => type), ['connection_ack', 'next', 'complete']);
  assert.deepEqual((messages[1]?.payload as { data: object }).data, { __typename: 'Query' });
});

test('an invalid document is answered with an error message, and the socket stays open', async () => {
  const { end, messages } = await talk([INIT, subscribe('1', 'subscription { doesNotExist }')]);
  assert.equal(end, OPEN);
  assert.deepEqual(messages.map(({ type, id }) => [type, id]), [['connection_ack', undefined], ['error', '1']]);
});

test('a ping is answered with a pong', async () => {
  const { end, messages } = await talk([INIT, { type: 'ping' }]);
  assert.deepEqual([end, messages.map(({ type }) => type)], [OPEN, ['connection_ack', 'pong']]);
});

test('a pong, and the end of an operation that is not known, are ignored', async () => {
  const { end, messages } = await talk([INIT, { type: 'pong' }, { type: 'complete', id: 'x' }]);
  assert.deepEqual([end, messages.map(({ type }) => type)], [OPEN, ['connection_ack']]);
});
