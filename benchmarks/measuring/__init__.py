"""What the topics measure with: servers, load, databases, and comparisons that are printed and kept."""
