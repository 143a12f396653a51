// What both peers of the REST topic share: the statement, and what is made of its row.

import pg from "pg";
import { shape } from "./profile_shape.js";

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
  return rows.length ? shape(rows[0], rows[0].followed) : null;
}
