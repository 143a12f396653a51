// mercurius on fastify; with JIT=1 through graphql-jit, from an operation's second use on.

import Fastify from "fastify";
import mercurius from "mercurius";

const { resolvers, typeDefs } = await import(process.env.PEOPLE ?? "./profiles.mjs");

const app = Fastify();
await app.register(mercurius, { schema: typeDefs, resolvers, jit: Number(process.env.JIT) });
await app.listen({ port: Number(process.env.PORT), host: "127.0.0.1" });
