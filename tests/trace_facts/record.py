"""Record the artefacts of this folder again: programs that are not measured as they should be.

    python tests/trace_facts/record.py

Paths of the machine are replaced by neutral ones; nothing else is changed.
"""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent


def run(command: list[str | Path]) -> None:
    subprocess.run([str(part) for part in command], check=True)


def keep(artefact: Path, name: str, scratch: Path) -> None:
    """Compress an artefact, with neutral paths."""
    text = artefact.read_text()
    for path, neutral in ((scratch, "/project"), (sys.prefix, "/venv"), (sys.base_prefix, "/usr/local")):
        text = text.replace(str(path), neutral)
    text = re.sub(r"/tmp/python-build[^/]*/Python-[\d.]+/(?:\./)?", "/usr/src/python/", text)
    text = re.sub(r"^cmd: .*", "cmd: program", text, flags=re.MULTILINE)
    (HERE / name).write_bytes(gzip.compress(text.encode(), mtime=0))


def main() -> None:
    python, callgrind = sys.executable, ["valgrind", "-q", "--tool=callgrind"]
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        for program in ("train.py", "profiled.py", "train.cpp"):
            shutil.copy(HERE / program, scratch)
        found = scratch / "found"
        run(["py-spy", "record", "-o", found, "-f", "raw", "--", python, scratch / "train.py"])
        keep(found, "whole-program.py-spy.raw.gz", scratch)
        run(["py-spy", "record", "--native", "-o", found, "-f", "raw", "--", python, scratch / "profiled.py", "30000"])
        keep(found, "c-profile-inside.py-spy.raw.gz", scratch)
        # Without site-packages there is less to import and to keep.
        run([*callgrind, f"--callgrind-out-file={found}", python, "-I", "-S", scratch / "profiled.py", "500"])
        keep(found, "c-profile-inside.callgrind.out.gz", scratch)
        digits = scratch / "digits-idx3-ubyte"
        digits.write_bytes(bytes([0, 0, 8, 3, 0, 0, 0, 100, 0, 0, 0, 28, 0, 0, 0, 28]) + bytes(range(196)) * 400)
        run(["g++", "-O1", "-g", scratch / "train.cpp", "-o", scratch / "train"])
        run([*callgrind, f"--callgrind-out-file={found}", scratch / "train", digits])
        keep(found, "reading.callgrind.out.gz", scratch)


if __name__ == "__main__":
    main()
