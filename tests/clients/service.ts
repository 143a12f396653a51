// The started PET that the tests talk to, and what Node 20 lacks of a browser.

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { WebSocket } from 'ws';

Object.assign(globalThis, { WebSocket: globalThis.WebSocket ?? WebSocket });

function given(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: these tests are run by pytest.`);
  return value;
}

export const url = given('GRAPHQL_URL');
export const song = new File([readFileSync(given('SONG'))], 'night train.mp3', { type: 'audio/mpeg' });

/** Returns a username that nobody has. */
export function newName(): string {
  return `someone-${randomBytes(4).toString('hex')}`;
}

/** Repeats something until a condition holds, at most for a few seconds. */
export async function until(condition: () => boolean, repeat: () => Promise<unknown> = async () => {}): Promise<void> {
  for (let attempt = 0; attempt < 20; attempt++) {
    await repeat();
    await new Promise((resolve) => setTimeout(resolve, 250));
    if (condition()) return;
  }
  throw new Error(`It did not become true that ${condition}`);
}
