"""What one process needs no server for: rate limits, the session cache and the broadcast, each in memory.

With several processes, Redis takes the place of what they have to share.
"""
