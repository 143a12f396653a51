"""Engines that are slow, refuse, hang, are cut in the middle and come back: what clients see meanwhile."""
