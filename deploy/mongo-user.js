// Runs once, when the image fills an empty volume: makes the user that pet is.
db.getSiblingDB("pet").createUser({
  user: "pet",
  pwd: process.env.MONGO_PASSWORD,
  roles: [{ role: "readWrite", db: "pet" }],
});
