import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

/** Writes a compressed copy beside each text asset: PET sends these, and compresses nothing while it serves. */
export const compressed = (out, assets) => ({
  name: 'compressed',
  closeBundle() {
    for (const name of readdirSync(join(out, assets))) {
      if (!/\.(js|css)$/.test(name)) continue;
      const file = join(out, assets, name);
      writeFileSync(`${file}.gz`, gzipSync(readFileSync(file), { level: 9 }));
    }
  },
});
