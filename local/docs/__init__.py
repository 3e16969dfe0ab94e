"""Generates the reference pages in docs/ from the template, the settings classes and the command line."""
