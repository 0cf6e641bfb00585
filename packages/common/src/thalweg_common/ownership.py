"""C objects that Python owns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from thalweg_common._core import ffi


def owned(made: Any, free: Callable[[Any], None], *borrowed: Any) -> Any:
    """A C object that is freed with its last reference, and until then keeps what it has borrowed. MemoryError."""
    if made == ffi.NULL:
        raise MemoryError("out of memory or file descriptors, or an option of the core is out of range")

    def destroy(cdata: Any, _borrowed: tuple[Any, ...] = borrowed) -> None:
        free(cdata)

    return ffi.gc(made, destroy)
