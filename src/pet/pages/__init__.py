"""Pages for people: what a browser shows at `/`. One file each, self-contained, so that it works offline."""
