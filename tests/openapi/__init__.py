"""Tests of the description: how it is made, and whether the service keeps it."""
