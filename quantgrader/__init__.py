"""Grading that can be trusted: each submission in a sandbox, its values compared outside.

cli        the command; commands/ has a module for each of its commands
grade      the run; to it belong allowances, regrade, second_look, finishing, validate, marking
           and workers
classroom/ a class: roster, due dates, collecting, marks for other systems
checks     what a notebook imports
sandbox/   walls around a kernel, the warm process, what goes in and out
cases/     cases, plain values, comparison, what is forbidden, hidden cases
course/    folders, release, submission, preflight, journal, gradebook, tables, settings
release/   what an author does: authoring, nbgrader's steps
pages/     report, feedback, templates
endings    how things end, and what people read of it
texts      texts made fit to be shown; atomic: files written in full or not at all
"""
