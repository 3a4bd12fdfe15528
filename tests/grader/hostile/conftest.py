"""The bank of attacks is read by `tests/test_hostile.py`; it holds no tests itself."""

collect_ignore_glob = ["*.py"]
