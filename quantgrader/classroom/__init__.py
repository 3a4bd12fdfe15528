"""A class: who is in it, what the learning management system knows of them, and their marks.

All that belongs to one class lies in the course's folder ``class``, which git leaves out.

roster    who is in the class: from an export of Canvas or Moodle into the gradebook
downloads what Canvas and Moodle name the files in which they hand over submissions
collect   from such a download to the submitted folder
late      due dates, extensions, points off: class/due.csv into the gradebook
marks     final marks in the form that Canvas and Moodle import
button    what the Formgrader's button "Autograde" runs
total     one table over all assignments, with weights and drop rules
similar   answers that are alike, as a table for a person to judge
by_hand   answers to a written question on one page, without names, and points for them
"""
