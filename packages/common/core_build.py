"""Builds thalweg_common._core: csrc/api.h is the whole interface, csrc/*.c the sources.

THALWEG_CFLAGS adds compiler flags (sanitizer and debug builds).
"""

import os
import tomllib
from pathlib import Path

from cffi import FFI

HERE = Path(__file__).parent
CSRC = HERE / "csrc"
VERSION = tomllib.loads((HERE / "pyproject.toml").read_text())["project"]["version"]

HARDENED = ["-fstack-protector-strong", "-D_FORTIFY_SOURCE=2", "-Wl,-z,relro,-z,now"]
EXTRA = os.environ.get("THALWEG_CFLAGS", "").split()

ffibuilder = FFI()
ffibuilder.cdef((CSRC / "api.h").read_text())
ffibuilder.set_source(
    "thalweg_common._core",
    '#include "core.h"',
    sources=sorted(os.path.relpath(path, Path.cwd()) for path in CSRC.glob("*.c")),
    depends=sorted(
        os.path.relpath(path, Path.cwd())
        for path in [*CSRC.glob("*.h"), HERE / "core_build.py", HERE / "pyproject.toml"]
    ),
    include_dirs=[os.path.relpath(CSRC, Path.cwd())],
    define_macros=[("TW_VERSION", f'"{VERSION}"')],
    extra_compile_args=["-std=gnu11", "-O3", "-g", "-pthread", *HARDENED, *EXTRA],
    extra_link_args=["-pthread", *EXTRA],
    py_limited_api=True,
)

if __name__ == "__main__":
    ffibuilder.compile(verbose=True)
