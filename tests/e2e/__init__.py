"""Tests of the whole: a real process, real bytes, a real browser."""
