// graphql-yoga on Node.js's own HTTP server; it keeps parsed and validated documents by itself.

import { createServer } from "node:http";

import { createSchema, createYoga } from "graphql-yoga";

const { resolvers, typeDefs } = await import(process.env.PEOPLE ?? "./profiles.mjs");

const yoga = createYoga({ schema: createSchema({ typeDefs, resolvers }), logging: false, graphiql: false });
createServer(yoga).listen(Number(process.env.PORT), "127.0.0.1");
