// Everyone in one array, as fastify's and pg's documentation show it: rows in, objects out, by a schema that is compiled.
import Fastify from "fastify";
import pg from "pg";

const { DATABASE_URL, PORT, PUBLIC_URL } = process.env;

pg.types.setTypeParser(pg.types.builtins.INT8, Number);
const pool = new pg.Pool({ connectionString: DATABASE_URL, max: 10 });

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

const PEOPLE = "SELECT * FROM profile ORDER BY created_ms DESC, user_id DESC";
const PERSON = "SELECT * FROM profile WHERE user_id = $1";
const FOLLOWS =
  "SELECT follower_id, following_id FROM follow WHERE state = 'following' ORDER BY created_ms DESC, object_id DESC";
const FOLLOWS_OF =
  "SELECT follower_id, following_id FROM follow WHERE follower_id = $1 AND state = 'following'" +
  " ORDER BY created_ms DESC, object_id DESC";

const given = (value) => value ?? undefined;

function shape(row, following) {
  const isOpen = !row.is_private;
  return {
    _id: row.object_id,
    userId: row.user_id,
    username: row.username,
    displayName: given(row.display_name),
    bio: isOpen ? given(row.bio) : undefined,
    avatarUrl: row.avatar_file_id ? `${PUBLIC_URL}/media/avatar/${row.user_id}` : undefined,
    coverImageUrl: isOpen && row.cover_file_id ? `${PUBLIC_URL}/media/file/${row.cover_file_id}` : undefined,
    location: isOpen ? given(row.location) : undefined,
    genres: isOpen ? JSON.parse(row.genres) : [],
    instruments: isOpen ? JSON.parse(row.instruments) : [],
    socialLinks: isOpen ? { youtube: given(row.youtube), vk: given(row.vk), telegram: given(row.telegram) } : {},
    stats: {
      tracksCount: row.tracks,
      followersCount: row.followers,
      followingCount: row.following,
      totalPlays: row.plays,
    },
    preferences: { emailNotifications: true, showOnlineStatus: true, privateProfile: false },
    role: row.role,
    following: isOpen ? (following ?? []) : [],
    createdAt: new Date(row.created_ms).toISOString(),
    updatedAt: new Date(row.updated_ms).toISOString(),
  };
}

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
