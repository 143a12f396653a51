// One profile over REST, by fastify and pg. The schema makes fastify write the JSON by compiled code.

import Fastify from "fastify";
import { flag, object, profile } from "./profile_shape.js";
import { profileOf } from "./profiles.js";

const app = Fastify();
const options = { schema: { response: { 200: object({ success: flag, data: profile }) } } };

app.get("/users/:id/profile", options, async (request, reply) => {
  const data = await profileOf(request.params.id);
  if (!data) {
    return reply.code(404).send({ success: false, error: "User not found" });
  }
  return { success: true, data };
});

await app.listen({ host: "127.0.0.1", port: Number(process.env.PORT) });
