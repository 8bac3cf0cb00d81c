"""The kernel: one suite for every backend."""
