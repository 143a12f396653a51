// Takes a form's file in by busboy on Node's own server: streamed to a file in FOLDER.
import { randomUUID } from "node:crypto";
import { createWriteStream } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import busboy from "busboy";

const MOST_BYTES = 100 * 1024 * 1024;

function take(request, response) {
  const form = busboy({ headers: request.headers, limits: { fileSize: MOST_BYTES, files: 1, fields: 32 } });
  let keeping = Promise.resolve();
  let size = 0;
  let status = 200;
  form.on("file", (_, file) => {
    file.on("data", (piece) => (size += piece.length));
    file.on("limit", () => (status = 413));
    keeping = pipeline(file, createWriteStream(join(process.env.FOLDER, randomUUID())));
  });
  form.on("close", async () => {
    await keeping;
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify({ size }));
  });
  request.pipe(form);
}

createServer((request, response) => {
  if (request.method === "POST") {
    take(request, response);
  } else {
    response.writeHead(404).end();
  }
}).listen(Number(process.env.PORT), "127.0.0.1");
