// Serves a folder (FOLDER) as @fastify/static does.
import fastify from "fastify";
import fastifyStatic from "@fastify/static";

const app = fastify();
app.register(fastifyStatic, { root: process.env.FOLDER });
app.listen({ port: Number(process.env.PORT), host: "127.0.0.1" });
