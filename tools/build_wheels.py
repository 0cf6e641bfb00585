"""Builds every distribution of the workspace: `build_wheels.py FOLDER`.

Each goes through its source distribution, so what the wheel holds is what the source distribution holds, and all
are built from a copy, so that nothing stale of this tree gets in: one abi3 wheel (thalweg-common), the others pure.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
NOT_SOURCES = shutil.ignore_patterns("build", "dist", "*.egg-info", "*.so", "__pycache__", "_core.c")


def build(package: Path, output: Path) -> None:
    """Builds one distribution into `output`. SystemExit: the build failed; its output has been shown."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = shutil.copytree(package, Path(scratch, package.name), ignore=NOT_SOURCES)
        shutil.copy(ROOT / "LICENSE", copy)
        command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(output), str(copy)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        print(done.stdout)
        sys.exit(f"{package.name} did not build")


def main(output: Path) -> None:
    """Builds all of them, naming each file made."""
    for project in sorted(ROOT.glob("packages/*/pyproject.toml")):
        build(project.parent, output)
    for path in sorted(output.iterdir()):
        print(path)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: build_wheels.py FOLDER")
    main(Path(sys.argv[1]).resolve())
