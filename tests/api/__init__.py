"""Tests of the builders, against the facts of the API."""
