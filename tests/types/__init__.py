"""What users of the package write, for type checkers: nothing here runs but ``test_types.py``."""
