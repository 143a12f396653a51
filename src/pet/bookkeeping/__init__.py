"""The books of the network, for operators: events that wait or are parked, and counters against what they count."""
