import { defineConfig } from 'vite';
import { compressed } from './compressed.js';

// The folder mirrors the addresses under which PET serves it: index.html is /graphql, the rest lies under /graphql/assets.
const OUT = '../src/pet/pages/explorer_files';
const ASSETS = 'graphql/assets';

export default defineConfig({
  base: './', // relative, so that the page works behind a proxy that puts PET under a path
  plugins: [compressed(OUT, ASSETS)],
  worker: { format: 'es' },
  build: {
    outDir: OUT,
    assetsDir: ASSETS,
    emptyOutDir: true,
    assetsInlineLimit: 0, // every file of its own: the page's policy allows no script that is written in a URL
    license: { fileName: 'licenses.md' }, // of what is bundled: a wheel distributes it
    chunkSizeWarningLimit: 8192, // kilobytes; Monaco is one large editor
    reportCompressedSize: false,
    rolldownOptions: {
      onLog(level, log, report) {
        if (log.code !== 'MODULE_LEVEL_DIRECTIVE') report(level, log); // "use client" means something to servers alone
      },
    },
  },
});
