"""The bank of attacks is read by `tests/grader/test_hostile.py`; it holds no tests itself."""

collect_ignore_glob = ["*.py"]
