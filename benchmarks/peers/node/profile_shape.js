// The documented shape of a profile, made of a row, and the schema by which fastify writes it with compiled code.

const { PUBLIC_URL = "" } = process.env;

const text = { type: "string" };
const count = { type: "integer" };
export const flag = { type: "boolean" };
const texts = { type: "array", items: text };
export const object = (properties) => ({ type: "object", properties });
export const profile = object({
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

const given = (value) => value ?? undefined;

export function shape(row, following) {
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
      tracksCount: Number(row.tracks),
      followersCount: Number(row.followers),
      followingCount: Number(row.following),
      totalPlays: Number(row.plays),
    },
    preferences: { emailNotifications: true, showOnlineStatus: true, privateProfile: false },
    role: row.role,
    following: isOpen ? (following ?? []) : [],
    createdAt: new Date(Number(row.created_ms)).toISOString(),
    updatedAt: new Date(Number(row.updated_ms)).toISOString(),
  };
}
