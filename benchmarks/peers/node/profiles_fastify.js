// One profile over REST, by fastify and pg. The schema makes fastify write the JSON by compiled code.

import Fastify from "fastify";
import { profileOf } from "./profiles.js";

const text = { type: "string" };
const count = { type: "integer" };
const flag = { type: "boolean" };
const texts = { type: "array", items: text };
const object = (properties) => ({ type: "object", properties });

const profile = object({
  _id: text,
  userId: text,
  username: text,
  displayName: text,
  bio: text,
  avatarUrl: text,
  coverImageUrl: text,
  location: text,
  genres: texts,
  instruments: texts,
  socialLinks: object({ youtube: text, vk: text, telegram: text }),
  stats: object({ tracksCount: count, followersCount: count, followingCount: count, totalPlays: count }),
  preferences: object({ emailNotifications: flag, showOnlineStatus: flag, privateProfile: flag }),
  role: text,
  following: texts,
  createdAt: text,
  updatedAt: text,
});

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
