"""The whole service while everything fails at once: nothing acknowledged is lost, nothing is counted twice."""
