"""Grading that can be trusted: each submission in a sandbox, its values compared outside.

Submodules load on first use: ``from quantgrader import sandbox, runner``.
"""
