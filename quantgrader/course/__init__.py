"""The course on disk: folders, the released notebook, what came in, what was found.

folders     where everything is, by nbgrader's configuration
reference   the released notebook
submission  a student's folder, read with care
restoring   the released cells in a submitted notebook, found or put back
preflight   what can be repaired before any code runs, and what can't
journal     finished results, so that a stopped run can go on
gradebook   marks into nbgrader's gradebook
settings    what a class decides, under ``c.Classroom``
tables      CSV files of others, and ones that no spreadsheet takes for formulas
"""
