"""What `SECURITY.md` promises that concerns both fronts, tried by whoever would break it."""
