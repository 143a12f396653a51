#!/bin/sh
# Start Redis with its password in a file of its own: on the command line, anyone who lists processes would see it.
set -eu
umask 077
printf 'requirepass %s\n' "$REDIS_PASSWORD" >/tmp/redis.conf
exec redis-server /tmp/redis.conf "$@"
