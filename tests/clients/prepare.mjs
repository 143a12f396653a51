// Takes the examples out of docs/graphql-clients.md, and compiles the contract's operations for them. Any warning is an error.

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { codegen } from '@graphql-codegen/core';
import * as typedDocumentNode from '@graphql-codegen/typed-document-node';
import * as typescript from '@graphql-codegen/typescript';
import * as typescriptOperations from '@graphql-codegen/typescript-operations';
import { parse, print } from 'graphql';

const DOCUMENT = '../../docs/graphql-clients.md';
const SCHEMA = '../../schema.graphql';
const CONTRACT = '../contract/operations.graphql';
const EXAMPLES = 'examples';
const ADDRESS = 'http://localhost:3000/graphql';
const PLUGINS = {
  typescript,
  'typescript-operations': typescriptOperations,
  'typed-document-node': typedDocumentNode,
};

function write(name, text) {
  const file = join(EXAMPLES, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

/** Writes every block of TypeScript and JSON that has a name to a file; the address is the only thing that is changed. */
function takeOut() {
  const blocks = readFileSync(DOCUMENT, 'utf8').matchAll(/^```(?:ts|json) (\S+)\n(.*?)^```$/gms);
  for (const [, name, text] of blocks) write(name, text.replaceAll(ADDRESS, process.env.GRAPHQL_URL ?? ADDRESS));
}

async function generateTypes(operations) {
  const { config, generates } = JSON.parse(readFileSync(join(EXAMPLES, 'codegen.json'), 'utf8'));
  for (const [filename, { plugins }] of Object.entries(generates)) {
    const text = await codegen({
      filename,
      schema: parse(readFileSync(SCHEMA, 'utf8')),
      documents: [{ document: operations, location: CONTRACT }],
      config,
      plugins: plugins.map((name) => ({ [name]: {} })),
      pluginMap: PLUGINS,
    });
    write(filename, text);
  }
}

/**
 * Compiles the operations with Relay's compiler.
 *
 * It reads them out of modules alone, and stops at the backticks of comments: so it gets them printed, which changes nothing
 * but comments and white space.
 */
function compileWithRelay(operations) {
  const config = JSON.parse(readFileSync(join(EXAMPLES, 'relay.config.json'), 'utf8'));
  const here = { src: 'src', schema: join('..', SCHEMA), noSourceControl: true };
  write('relay.config.json', JSON.stringify({ ...config, ...here }));
  write('src/contract.ts', `import { graphql } from 'relay-runtime';\n\ngraphql\`\n${print(operations)}\n\`;\n`);
  mkdirSync(join(EXAMPLES, '__generated__'));
  const said = execFileSync(resolve('node_modules/.bin/relay-compiler'), { cwd: EXAMPLES, encoding: 'utf8' });
  const count = operations.definitions.length;
  if (!said.includes(`compiled documents: ${count} reader`)) throw new Error(`Relay left operations out:\n${said}`);
  return said;
}

const warnings = [];
console.warn = (...words) => warnings.push(words.join(' '));
for (const folder of [EXAMPLES, 'build']) rmSync(folder, { recursive: true, force: true });
takeOut();
const operations = parse(readFileSync(CONTRACT, 'utf8'));
await generateTypes(operations);
const said = compileWithRelay(operations);
warnings.push(...said.split('\n').filter((line) => /warn|error/i.test(line)));
if (warnings.length > 0) throw new Error(warnings.join('\n'));
console.log(`${operations.definitions.length} definitions of the contract compiled by both compilers, without a warning`);
