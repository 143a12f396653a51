// Everyone in one array, as fastify's and pg's documentation show it: rows in, objects out, by a schema that is compiled.
import Fastify from "fastify";
import pg from "pg";
import { flag, object, profile, shape } from "./profile_shape.js";

const { DATABASE_URL, PORT } = process.env;

const pool = new pg.Pool({ connectionString: DATABASE_URL, max: 10 });

const PEOPLE = "SELECT * FROM profile ORDER BY created_ms DESC, user_id DESC";
const PERSON = "SELECT * FROM profile WHERE user_id = $1";
const FOLLOWS =
  "SELECT follower_id, following_id FROM follow WHERE state = 'following' ORDER BY created_ms DESC, object_id DESC";
const FOLLOWS_OF =
  "SELECT follower_id, following_id FROM follow WHERE follower_id = $1 AND state = 'following'" +
  " ORDER BY created_ms DESC, object_id DESC";

function byFollower(rows) {
  const found = new Map();
  for (const row of rows) {
    const list = found.get(row.follower_id);
    if (list) list.push(row.following_id);
    else found.set(row.follower_id, [row.following_id]);
  }
  return found;
}

const app = Fastify();

app.get(
  "/users",
  { schema: { response: { 200: object({ success: flag, profiles: { type: "array", items: profile } }) } } },
  async () => {
    const [people, follows] = await Promise.all([pool.query(PEOPLE), pool.query(FOLLOWS)]);
    const following = byFollower(follows.rows);
    return { success: true, profiles: people.rows.map((row) => shape(row, following.get(row.user_id))) };
  },
);

app.get(
  "/users/:id/profile",
  { schema: { response: { 200: object({ success: flag, data: profile }) } } },
  async (request) => {
    const { id } = request.params;
    const [people, follows] = await Promise.all([pool.query(PERSON, [id]), pool.query(FOLLOWS_OF, [id])]);
    return { success: true, data: shape(people.rows[0], byFollower(follows.rows).get(id)) };
  },
);

await app.listen({ host: "127.0.0.1", port: Number(PORT) });
