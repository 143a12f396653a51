"""MongoDB: profiles, media records, follows, activities, plays and the outbox of their events.

Accounts and sessions stay in SQL.
"""
