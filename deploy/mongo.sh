#!/bin/sh
# Start MongoDB as a replica set, whose members know each other by a key; mongod wants it in a file that only it can read.
set -eu
umask 077
rm -f /tmp/mongo.key
printf '%s\n' "$MONGO_KEY" >/tmp/mongo.key
chmod 400 /tmp/mongo.key
exec docker-entrypoint.sh mongod --keyFile /tmp/mongo.key "$@"
