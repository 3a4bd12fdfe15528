"""The commands of `quantgrader`, a module each: `add` says its options, `run` does it.

grade, report, feedback, check, validate; options holds what several of them share
"""
