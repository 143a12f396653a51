import { copyFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { defineConfig } from 'vite';
import { compressed } from './compressed.js';

// A build of its own, after the explorer's and into the same folder: each page is served without the other's files.
const OUT = '../src/pet/pages/explorer_files';
const ASSETS = 'docs/assets';

/** Swagger UI is bundled with its dependencies already, and brings their licences along. */
const licences = {
  name: 'licences',
  closeBundle() {
    const bundle = createRequire(import.meta.url).resolve('swagger-ui-dist/swagger-ui-es-bundle.js');
    copyFileSync(`${bundle}.LICENSE.txt`, join(OUT, 'docs-licenses-bundled.txt'));
  },
};

export default defineConfig({
  base: './',
  plugins: [compressed(OUT, ASSETS), licences],
  build: {
    outDir: OUT,
    assetsDir: ASSETS,
    emptyOutDir: false,
    assetsInlineLimit: 0,
    license: { fileName: 'docs-licenses.md' },
    chunkSizeWarningLimit: 8192, // kilobytes
    reportCompressedSize: false,
    rolldownOptions: { input: 'docs.html' },
  },
});
