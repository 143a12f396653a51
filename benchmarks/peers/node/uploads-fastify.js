// Takes a form's file in as @fastify/multipart's documentation does: streamed to a file in FOLDER.
import { randomUUID } from "node:crypto";
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import multipart from "@fastify/multipart";
import fastify from "fastify";

const MOST_BYTES = 100 * 1024 * 1024;

const app = fastify({ bodyLimit: 2 * MOST_BYTES });
app.register(multipart, { limits: { fileSize: MOST_BYTES, files: 1, fields: 32 } });

app.post("/media/upload/track", async (request, reply) => {
  const { file } = await request.file();
  await pipeline(file, createWriteStream(join(process.env.FOLDER, randomUUID())));
  if (file.truncated) {
    return reply.code(413).send({ error: "too large" });
  }
  return { size: file.bytesRead };
});

app.listen({ port: Number(process.env.PORT), host: "127.0.0.1" });
