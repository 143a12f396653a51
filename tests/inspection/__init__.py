"""Tests of `pet.inspection`."""
