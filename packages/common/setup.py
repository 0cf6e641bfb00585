"""Only what pyproject.toml cannot say: the C extension, and one abi3 wheel for every Python from 3.11 on."""

from setuptools import setup

setup(
    cffi_modules=["core_build.py:ffibuilder"],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
