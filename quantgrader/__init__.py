"""Grading that can be trusted: each submission in a sandbox, its values compared outside.

See `cli` for the command, and each folder for what is in it.
"""
