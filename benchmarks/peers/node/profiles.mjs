// What the peers with a GraphQL server of Node.js share: the schema in PET's shape, and the rows behind it.

import pg from "pg";

const COLUMNS = `
  user_id AS "userId", username, display_name AS "displayName", role, is_private AS "isPrivate", bio, location,
  genres, instruments, created_ms::float8 AS "createdMs", tracks::int AS "tracksCount", followers::int AS "followersCount"`;

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 });

// A statement with a name is prepared once for each connection.
const rows = async (name, text, values) => (await pool.query({ name, text, values })).rows;

export const typeDefs = `
  enum Role { musician listener admin }
  input ProfileBy { userId: ID username: String }
  type ProfileStats { tracksCount: Int! followersCount: Int! }
  type Profile {
    userId: ID!
    username: String!
    displayName: String
    role: Role!
    isPrivate: Boolean!
    bio: String
    location: String
    genres: [String!]!
    instruments: [String!]!
    createdAt: String!
    stats: ProfileStats!
  }
  type ProfileEdge { node: Profile! }
  type ProfileConnection { edges: [ProfileEdge!]! }
  type Query {
    profile(by: ProfileBy!): Profile
    profiles(first: Int = 20): ProfileConnection!
  }
`;

export const resolvers = {
  Query: {
    async profile(_, { by }) {
      const [found] = by.userId
        ? await rows("by_id", `SELECT ${COLUMNS} FROM profile WHERE user_id = $1`, [by.userId])
        : await rows("by_name", `SELECT ${COLUMNS} FROM profile WHERE username_key = lower($1)`, [by.username]);
      return found ?? null;
    },
    async profiles(_, { first }) {
      const text = `SELECT ${COLUMNS} FROM profile ORDER BY created_ms DESC, user_id DESC LIMIT $1`;
      return { edges: (await rows("newest", text, [first])).map((node) => ({ node })) };
    },
  },
  Profile: {
    genres: (profile) => JSON.parse(profile.genres),
    instruments: (profile) => JSON.parse(profile.instruments),
    createdAt: (profile) => new Date(profile.createdMs).toISOString(),
    stats: (profile) => profile,
  },
};
