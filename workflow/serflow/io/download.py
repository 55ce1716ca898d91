"""Downloads: whole and verified, or not at all; one that broke off is resumed."""

from __future__ import annotations

import contextlib
import http.client
import os
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from serflow.errors import DownloadError
from serflow.io import files

_BLOCK = 1 << 20
_SCHEMES = ("http://", "https://")
_BROKEN = (http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError)
#: What a server answers that is overloaded or restarts; it is asked again after that many seconds, each time more.
_BUSY, _PAUSE = (429, 500, 502, 503, 504), 2.0


def fetch(
    url: str,
    destination: Path,
    algorithm: str,
    checksum: str,
    by_hand: str,
    timeout: float = 60.0,
    attempts: int = 5,
) -> None:
    """Download `url` to `destination`, from where an earlier download broke off, and verify it.

    What has been received is kept as ``<destination>.part``, which becomes `destination` once its checksum is right.

    Parameters
    ----------
    url
        An http or https address; redirections are followed to these schemes only.
    destination
        The file to write; it is left as it is if it is there and has the right checksum.
    algorithm, checksum
        ``md5`` or ``sha256``, and the published hexadecimal digest or its first digits.
    by_hand
        What else the user can do, for messages.
    timeout
        Seconds to wait for the server to send something.
    attempts
        How often a server that is busy or breaks off is asked.

    Raises
    ------
    DownloadError
        If the server refuses, keeps breaking off, or sends a file with another checksum (which is then deleted).
    """
    part = destination.with_name(destination.name + ".part")

    def verify(path: Path, where: object, remedy: str) -> None:
        found = files.digest_file(path, algorithm)
        if not found.startswith(checksum):
            raise DownloadError(where, f"has {algorithm} {found}, expected {checksum}", remedy)

    def fetched() -> bool:
        if destination.is_file():
            verify(destination, destination, f"Delete {destination} and fetch again.")
        return destination.is_file()

    if fetched():
        return
    if not url.startswith(_SCHEMES):
        raise DownloadError(url, "is no http or https address", "Correct it.")
    try:
        files.check_writable(destination.parent)
        with _alone(part):
            if fetched():  # by another process, while this one waited
                return
            for attempt in range(1, attempts + 1):
                if files.digest_file(part, algorithm).startswith(checksum):
                    break
                fault = _receive(url, part, timeout, _PAUSE * attempt * (attempt < attempts))
                if not fault:
                    break
            else:
                fault = f"{fault} again and again; {part} holds the first {part.stat().st_size:,} bytes"
                raise DownloadError(url, fault, f"Run the command again to resume. Or: {by_hand}")
            try:
                verify(part, url, f"The file was deleted; run the command again. Or: {by_hand}")
            except DownloadError:
                _empty(part)
                raise
            part.replace(destination)
    except urllib.error.HTTPError as error:
        raise DownloadError(url, f"the server answered {_answer(error)}", by_hand) from error
    except (urllib.error.URLError, *_BROKEN) as error:
        raise DownloadError(url, f"cannot be reached ({getattr(error, 'reason', error)})", by_hand) from error
    except OSError as error:
        remedy = "Check the connection, the folder's rights and its free space, then run again."
        raise DownloadError(part, f"cannot be fetched ({error.strerror or error})", remedy) from error


@contextlib.contextmanager
def _alone(part: Path) -> Iterator[None]:
    """Keep `part` for this process, waiting for another one that fetches the same file; leave no empty one behind."""
    with files.locked(part):
        try:
            yield
        finally:
            if part.is_file() and not part.stat().st_size:
                part.unlink()


def _empty(part: Path) -> None:
    """Drop what `part` holds; the file stays, since it carries the lock."""
    os.truncate(part, 0)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirections to http and https only: urllib itself would follow ftp too."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if not newurl.startswith(_SCHEMES):
            raise urllib.error.HTTPError(newurl, code, f"on to {newurl}, which is not followed", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _answer(error: urllib.error.HTTPError) -> str:
    """Return code and reason, of whose lines (a circle of redirections has three) the first."""
    return f"{error.code} ({next(iter(str(error.reason).splitlines()), '')})"


def _receive(url: str, part: Path, timeout: float, pause: float) -> str:
    """Fetch what `part` lacks of `url`; return why it is not complete, if so (after `pause` s if busy)."""
    have = part.stat().st_size
    headers = {"User-Agent": "serflow"} | ({"Range": f"bytes={have}-"} if have else {})
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 (`fetch` has checked the scheme)
    try:
        response = urllib.request.build_opener(_Redirects).open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # as long as the file or longer, and `fetch` has seen that its checksum is wrong
            _empty(part)
            return "sent no more"
        if error.code not in _BUSY:
            raise
        time.sleep(pause)
        return f"the server answered {_answer(error)}"
    with response:
        if response.status != 206:  # the whole file, from a server that ignores Range
            have = 0
        elif not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            _empty(part)
            return "sent another range"
        total = None if response.length is None else have + response.length
        bar = tqdm(desc=part.stem, initial=have, total=total, unit="B", unit_scale=True, disable=None)
        with bar, part.open("ab" if have else "wb") as file:
            try:
                while block := response.read1(_BLOCK):
                    file.write(block)
                    bar.update(len(block))
            except _BROKEN:
                return "broke off"
        return "" if total is None or part.stat().st_size >= total else "broke off"
