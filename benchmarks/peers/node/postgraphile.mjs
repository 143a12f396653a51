// PostGraphile over the view `peers.profile`, from which it makes the schema by itself.

import { createServer } from "node:http";

import { postgraphile } from "postgraphile";
import { makePgService } from "postgraphile/adaptors/pg";
import { grafserv } from "postgraphile/grafserv/node";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";

const service = makePgService({
  connectionString: process.env.DATABASE_URL,
  schemas: ["peers"],
  poolConfig: { max: 10 },
});
const instance = postgraphile({ extends: [PostGraphileAmberPreset], pgServices: [service], grafast: { explain: false } });
const serv = instance.createServ(grafserv);
const server = createServer();
await serv.addTo(server);
server.listen(Number(process.env.PORT), "127.0.0.1");
