"""What an author does: cases from a solution notebook (authoring), nbgrader's steps (steps)."""
