"""Style sheets, scripts and icons, held in memory and named with the hash of their content, so that browsers keep them
for a year and still see a new version at once."""

import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

_FOLDER = Path(__file__).parent / "static"
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class _File:
    body: bytes
    digest: str
    content_type: str


class Assets:
    """All static files of the panel; a name that is not among them does not exist, whatever the path says."""

    def __init__(self, folder: Path = _FOLDER) -> None:
        """Read the files under `folder`, which are few and small."""
        self._files: dict[str, _File] = {}
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                body = path.read_bytes()
                kind = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
                digest = hashlib.sha256(body).hexdigest()[:16]
                self._files[path.relative_to(folder).as_posix()] = _File(body, digest, kind)

    def url(self, name: str) -> str:
        """The address of one file, with the hash of its content.

        Raises:
            KeyError: there is no such file; a template names it wrongly.
        """
        return f"/static/{name}?v={self._files[name].digest}"

    def response(self, name: str, version: str | None) -> web.Response:
        """Answer with one file; only an address with the right hash is kept for long."""
        file = self._files.get(name)
        if file is None:
            raise web.HTTPNotFound
        kept = "public, max-age=31536000, immutable" if version == file.digest else "no-cache"
        return web.Response(
            body=file.body,
            content_type=file.content_type,
            charset="utf-8" if file.content_type.startswith(("text/", "image/svg")) else None,
            headers={"Cache-Control": kept, "ETag": f'"{file.digest}"'},
        )
