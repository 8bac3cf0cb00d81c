"""Tests of dockerwire.wire: the exchange, sans I/O."""
