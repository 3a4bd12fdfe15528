"""What people read: report, feedback, the graded notebook; outputs makes what came harmless."""
