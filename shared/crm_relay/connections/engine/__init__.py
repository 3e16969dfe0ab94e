"""Runs connections: one sync of each that is due, stream by stream."""
