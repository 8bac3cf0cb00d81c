"""Promises that take long to show: run once, by `make reliability`, not for each Python and kernel."""
