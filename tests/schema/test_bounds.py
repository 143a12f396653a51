"""What one operation may ask for as a whole."""

from __future__ import annotations
