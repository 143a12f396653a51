"""Real engines, started from wheels for the time of a test session: one module per engine."""
