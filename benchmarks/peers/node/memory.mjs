// Fifty people who are in memory, for the GraphQL servers of Node.js: the same as in `memory_strawberry.py`.

export { typeDefs } from "./profiles.mjs";

const edges = Array.from({ length: 50 }, (_, index) => 49 - index).map((number) => ({
  node: {
    userId: `018bcfe5-0000-7000-8000-${String(number).padStart(12, "0")}`,
    username: `user${number}`,
    displayName: `User Number ${number}`,
    role: number % 3 ? "musician" : "listener",
    isPrivate: false,
    bio: `I am number ${number}, and this is what I have to say about my music.`,
    location: "Berlin, Kreuzberg",
    genres: ["rock", "jazz", "electronic"],
    instruments: ["guitar", "piano"],
    createdAt: `2023-11-14T22:13:${String(number).padStart(2, "0")}.000Z`,
    stats: { tracksCount: number, followersCount: 5 },
  },
}));

export const resolvers = { Query: { profiles: (_, { first }) => ({ edges: edges.slice(0, first) }) } };
