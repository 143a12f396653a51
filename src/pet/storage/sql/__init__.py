"""The SQL engine: SQLite on one machine, PostgreSQL by a URL; one adapter per noun.

Tortoise declares the tables (`tables.py`), migrates them (`migrations/`) and holds the connections; the adapters speak
plain SQL that both dialects understand, because hot reads cannot afford an object per row.
"""
