"""Reads a definition as people and applications write it; every problem is named by its path."""
