"""The version of this package, also told to the engine in User-Agent."""

VERSION = "0.1.0"
