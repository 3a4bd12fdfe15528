"""The commands of `quantgrader`, a module each: `add` says its options, `run` does it.

check, grade, regrade, report, feedback, validate; those of a class: roster, due, collect,
similar, by_hand, total, export. options holds what several of them share.
"""
