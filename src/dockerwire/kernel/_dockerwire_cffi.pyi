# What cffi_build.py builds.
from typing import Any

ffi: Any
lib: Any
