"""Tests of the drivers: one list of scenarios, run in three worlds."""
