"""What several processes share, in Redis: rate limits, the session cache, the broadcast.

Nothing of record is kept here. While Redis is away each process goes on alone: it counts by itself, asks the database
for sessions, and reads events from the outboxes.
"""
