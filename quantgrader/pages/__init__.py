"""What people read: report, questions, feedback, the graded notebook.

outputs makes what came harmless; plain draws tables for a terminal, templates fills in pages
"""
