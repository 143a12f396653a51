// The health check: healthy is a primary. The first time it makes the replica set of this one node.
const admin = db.getSiblingDB("admin");
admin.auth("root", process.env.MONGO_INITDB_ROOT_PASSWORD);

let status;
try {
  status = rs.status().ok;
} catch (error) {
  if (error.codeName !== "NotYetInitialized") {
    throw error;
  }
  status = rs.initiate({ _id: "pet", members: [{ _id: 0, host: "mongo:27017" }] }).ok;
}
quit(status === 1 && admin.hello().isWritablePrimary ? 0 : 1);
