// What both peers of the REST topic share: the statement, and the documented shape of a profile.

import pg from "pg";

export const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 });

// A name makes pg prepare it once per connection. All in one round trip.
const SELECT = {
  name: "profile",
  text: `SELECT profile.*, ARRAY(
      SELECT following_id FROM follow WHERE follower_id = profile.user_id AND state = 'following'
      ORDER BY created_ms DESC, object_id DESC
    ) AS followed FROM profile WHERE user_id = $1`,
};

export async function profileOf(userId) {
  const { rows } = await pool.query({ ...SELECT, values: [userId] });
  return rows.length ? shape(rows[0]) : null;
}

function shape(row) {
  return {
    _id: row.object_id,
    userId: row.user_id,
    username: row.username,
    displayName: row.display_name ?? undefined,
    bio: row.bio ?? undefined,
    avatarUrl: row.avatar_file_id ? `/media/avatar/${row.user_id}` : undefined,
    coverImageUrl: row.cover_file_id ? `/media/file/${row.cover_file_id}` : undefined,
    location: row.location ?? undefined,
    genres: JSON.parse(row.genres),
    instruments: JSON.parse(row.instruments),
    socialLinks: {
      youtube: row.youtube ?? undefined,
      vk: row.vk ?? undefined,
      telegram: row.telegram ?? undefined,
    },
    stats: {
      tracksCount: Number(row.tracks),
      followersCount: Number(row.followers),
      followingCount: Number(row.following),
      totalPlays: Number(row.plays),
    },
    preferences: { emailNotifications: true, showOnlineStatus: true, privateProfile: false },
    role: row.role,
    following: row.followed,
    createdAt: new Date(Number(row.created_ms)).toISOString(),
    updatedAt: new Date(Number(row.updated_ms)).toISOString(),
  };
}
