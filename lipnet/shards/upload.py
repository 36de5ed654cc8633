"""Finished shards are kept: where they were made, or put whole to the fsspec URL that a user names.

At a URL a shard's name ends in the fingerprint of what made it. Such a file never changes, so an
index that was written once stays true, and whoever makes the same shard again finds it there.
"""

import posixpath
import uuid
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from lipnet.errors import InputError
from lipnet.files import read_finished, write_atomic, write_json
from lipnet.shards.storage import open_filesystem

Record = dict[str, Any]
# Where an upload appears whole or not at all; elsewhere it is renamed once it is whole.
OBJECT_STORES = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "oss", "memory"}
SIDE_FILES = ("csv", "json")  # beside the tar; the index comes last, so it stands for all three


class Keeper(Protocol):
    """Looks finished shards up, and keeps new ones; `folder` is where they are made."""

    def find(self, name: str, fingerprint: str) -> Record | None:
        """The index of a shard that is there already, made by exactly this work."""
        ...

    def keep(self, record: Record) -> Record:
        """Makes a shard just written to the folder a finished one; returns its index."""
        ...


def make_keeper(folder: Path, url: str) -> Keeper:
    """One that keeps shards in the folder, or at the URL where there is one."""
    return UrlKeeper(folder, url) if url else FolderKeeper(folder)


class FolderKeeper:
    """Shards stay where they were made."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, name: str, fingerprint: str) -> Record | None:
        found = read_finished(self._folder / f"{name}.json", fingerprint)
        whole = all((self._folder / f"{name}.{kind}").is_file() for kind in ("tar", "csv"))
        return found if whole and found is not None and not found["url"] else None

    def keep(self, record: Record) -> Record:
        record = {**record, "url": ""}
        write_json(self._folder / f"{record['name']}.json", record)
        return record


class UrlKeeper:
    """Shards go to a URL; their indexes and tables stay in the folder too."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder = folder
        self._url = url.rstrip("/")
        self._filesystem, self._root = open_filesystem(self._url)
        self._whole = puts_whole(self._filesystem)

    def find(self, name: str, fingerprint: str) -> Record | None:
        """In the folder; else at the URL, from an earlier start or another machine."""
        stem = f"{name}-{fingerprint}"
        found = self._known(name, stem, fingerprint)
        if found is None:
            self._bring(stem, name)
            found = self._known(name, stem, fingerprint)
        if found is None or self._size(f"{stem}.tar") != found["bytes"]:
            return None
        return found

    def keep(self, record: Record) -> Record:
        name, stem = record["name"], f"{record['name']}-{record['fingerprint']}"
        record = {**record, "url": self._address(stem)}
        tar = self._folder / f"{name}.tar"
        index = tar.with_suffix(".upload")
        write_json(index, record)
        self._put(tar, f"{stem}.tar")
        self._put(tar.with_suffix(".csv"), f"{stem}.csv")
        self._put(index, f"{stem}.json")
        index.replace(tar.with_suffix(".json"))
        tar.unlink()
        return record

    def _known(self, name: str, stem: str, fingerprint: str) -> Record | None:
        index = self._folder / f"{name}.json"
        found = read_finished(index, fingerprint)
        if found is None or found["url"] != self._address(stem):
            return None
        return found if index.with_suffix(".csv").is_file() else None

    def _address(self, stem: str) -> str:
        return f"{self._url}/{stem}.tar"

    def _place(self, name: str) -> str:
        return posixpath.join(self._root, name)

    def _size(self, name: str) -> int | None:
        try:
            return int(self._filesystem.info(self._place(name))["size"])
        except FileNotFoundError:
            return None

    def _bring(self, stem: str, name: str) -> None:
        """Fetch a finished shard's table and index, if the URL has them."""
        for kind in SIDE_FILES:
            try:
                content = self._filesystem.cat_file(self._place(f"{stem}.{kind}"))
            except FileNotFoundError:
                return
            with write_atomic(self._folder / f"{name}.{kind}") as beside:
                beside.write_bytes(content)

    def _put(self, local: Path, name: str) -> None:
        """Upload one file; OSError where it did not arrive whole."""
        place = self._place(name)
        if self._whole:
            self._filesystem.put_file(str(local), place)
        else:
            beside = f"{place}.{uuid.uuid4().hex}.tmp"
            self._filesystem.makedirs(posixpath.dirname(place), exist_ok=True)
            self._filesystem.put_file(str(local), beside)
            self._filesystem.mv(beside, place)
        arrived, sent = self._size(name), local.stat().st_size
        if arrived != sent:
            raise OSError(f"{self._url}/{name}: {arrived} bytes arrived of {sent}")


def puts_whole(filesystem: Any) -> bool:
    """Whether an upload appears at once, under its own name and without folders."""
    protocol = filesystem.protocol
    return bool(OBJECT_STORES & ({protocol} if isinstance(protocol, str) else set(protocol)))


def resolve_url(url: str) -> str:
    """`shards.url` as all processes can use it; InputError for one that holds a password.

    A path becomes absolute, because actors work in folders of their own.
    """
    if not url:
        return ""
    parts = urlsplit(url)
    if parts.password:
        raise InputError(
            f"shards.url on {parts.hostname} holds a password, which every index would repeat: "
            "leave it out, and give the credentials as the file system's own settings"
        )
    return url if "://" in url else Path(url).expanduser().absolute().as_posix()


def check_url(url: str) -> None:
    """InputError where nothing can be written to the URL, before hours of work are lost."""
    if not url:
        return
    filesystem, root = open_filesystem(url)
    probe = posixpath.join(root.rstrip("/"), f".lipnet-{uuid.uuid4().hex}")
    try:
        if not puts_whole(filesystem):
            filesystem.makedirs(root, exist_ok=True)
        filesystem.pipe_file(probe, b"")
        filesystem.rm_file(probe)
    except Exception as error:  # each file system has errors of its own
        raise InputError(
            f"shards.url {url} cannot be written to ({type(error).__name__}: {error}); is there "
            "such a bucket, and are its credentials and endpoint set?"
        ) from error
