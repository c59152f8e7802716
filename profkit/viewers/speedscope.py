"""speedscope: its npm release, fetched once into the cache, served here; nothing is sent anywhere."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from profkit.cache import cache_directory
from profkit.exporters import write_file
from profkit.exporters.speedscope import SPEEDSCOPE as FORMAT
from profkit.exporters.speedscope import render
from profkit.process import run_quietly
from profkit.viewers import Request, Say, Shown, Viewer
from profkit.viewers.server import HOST, for_ever, serving
from profkit.write import whole_directory

VERSION = "1.25.0"
SHA256 = "2831f1e0d26df914b477e522d78b8485511495a6af81a0b88158f8b48f9e0d03"
"""Of the npm package of that version."""
WEB = "https://www.speedscope.app"
_RELEASE = "package/dist/release/"


@contextmanager
def show(request: Request, say: Say) -> Iterator[Shown]:
    """Serve speedscope with the profile; without npm or the network the file is left for the web page to open."""
    say("writing the profile")
    file = request.folder / f"{request.name}{FORMAT.suffix}"
    write_file(render(request.material), file)
    release, reason = fetched(say)
    if release is None:
        note = f"{reason}: open the file in {WEB} (drop it there; it is read in the browser, nothing is uploaded)"
        yield Shown(WEB, file, (note,))
        return
    path = f"/profiles/{file.name}"
    with serving(release, {path: file}, request.port or 0, "choose another --port") as port:
        profile = quote(f"http://{HOST}:{port}{quote(path)}", safe="")
        yield Shown(f"http://{HOST}:{port}/index.html#profileURL={profile}", file, wait=for_ever)


def fetched(say: Say) -> tuple[Path | None, str]:
    """The directory with speedscope's page, or None and why it is not there.

    Raises:
        WriteError: the cache cannot be written.
    """
    release = cache_directory() / "viewers" / f"speedscope-{VERSION}"
    if (release / "index.html").is_file():
        return release, ""
    npm = shutil.which("npm")
    if npm is None:
        return None, "speedscope is fetched by npm, which is not on PATH"
    say(f"fetching speedscope {VERSION}")
    with TemporaryDirectory() as folder:
        code, said = run_quietly([npm, "pack", f"speedscope@{VERSION}", "--pack-destination", folder])
        package = Path(folder) / f"speedscope-{VERSION}.tgz"
        if code or not package.is_file():
            last = (said.strip().splitlines() or [f"exit code {code}"])[-1]
            return None, f"npm could not fetch speedscope {VERSION} ({last})"
        if hashlib.sha256(package.read_bytes()).hexdigest() != SHA256:
            return None, f"what npm fetched is not the released speedscope {VERSION}"
        with whole_directory(release, "PROFKIT_CACHE names another directory") as directory:
            _unpack(package, directory)
    return release, ""


def _unpack(package: Path, directory: Path) -> None:
    """Take the page and what it needs, all of which lies in one folder."""
    with tarfile.open(package) as archive:
        for member in archive.getmembers():
            name = member.name.removeprefix(_RELEASE)
            content = archive.extractfile(member) if member.name.startswith(_RELEASE) and "/" not in name else None
            if content is not None:
                (directory / name).write_bytes(content.read())


SPEEDSCOPE = Viewer(name="speedscope", summary="flame graphs: in time order, left heavy, sandwich", show=show)
