"""Keepers of finished shards: in the folder where they were made, or uploaded to an fsspec URL.

At a URL a shard's name ends in its fingerprint. Such a file never changes, so an index stays valid
once written, and a later run that needs the same shard finds it there.
"""

import posixpath
import re
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from lipnet.errors import InputError
from lipnet.files import write_atomic
from lipnet.shards.index import ShardIndex, find_index, write_index
from lipnet.shards.storage import ShardRef, open_filesystem, open_shard
from lipnet.urls import find_secret

# An upload appears there whole or not at all; elsewhere it is renamed once it is complete.
OBJECT_STORES = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "oss", "memory"}
IN_MEMORY = re.compile(r"(^|::)memory:", re.IGNORECASE)
SIDE_FILES = ("csv", "json")  # of the tar; the index comes last, so all three exist if it does


class Keeper(Protocol):
    """Looks finished shards up, and keeps new ones."""

    def find(self, name: str, fingerprint: str) -> ShardIndex | None:
        """The index of a finished shard of this name and fingerprint, None if there is none."""
        ...

    def keep(self, index: ShardIndex) -> ShardIndex:
        """Finish a shard that was just written to the folder; returns its index with its URL."""
        ...


def make_keeper(folder: Path, url: str) -> Keeper:
    """A keeper that leaves shards in the folder, or uploads them if there is a URL."""
    return UrlKeeper(folder, url) if url else FolderKeeper(folder)


class FolderKeeper:
    """Shards stay where they were made."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, name: str, fingerprint: str) -> ShardIndex | None:
        path = self._folder / f"{name}.json"
        found = find_index(path, fingerprint)
        if found is None or found.url or not path.with_suffix(".csv").is_file():
            return None
        try:
            with open_shard(ShardRef.of_index(path)):
                return found
        except (OSError, ValueError):
            return None

    def keep(self, index: ShardIndex) -> ShardIndex:
        index = replace(index, url="")
        write_index(self._folder / f"{index.name}.json", index)
        return index


class UrlKeeper:
    """Shards go to a URL; their indexes and tables stay in the folder too."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder = folder
        self._url = url.rstrip("/")
        self._filesystem, self._root = open_filesystem(self._url)
        self._puts_whole = puts_whole(self._filesystem)

    def find(self, name: str, fingerprint: str) -> ShardIndex | None:
        """In the folder; else at the URL, from an earlier run or another machine."""
        stem = f"{name}-{fingerprint}"
        found = self._find_here(name, stem, fingerprint)
        if found is None:
            self._fetch_side_files(stem, name)
            found = self._find_here(name, stem, fingerprint)
        if found is None or self._size(f"{stem}.tar") != found.contents.bytes:
            return None
        return found

    def keep(self, index: ShardIndex) -> ShardIndex:
        stem = f"{index.name}-{index.fingerprint}"
        index = replace(index, url=self._address(stem))
        tar = self._folder / f"{index.name}.tar"
        uploading = tar.with_suffix(".upload")
        write_index(uploading, index)
        self._put(tar, f"{stem}.tar")
        self._put(tar.with_suffix(".csv"), f"{stem}.csv")
        self._put(uploading, f"{stem}.json")
        uploading.replace(tar.with_suffix(".json"))
        tar.unlink()
        return index

    def _find_here(self, name: str, stem: str, fingerprint: str) -> ShardIndex | None:
        path = self._folder / f"{name}.json"
        found = find_index(path, fingerprint)
        if found is None or found.url != self._address(stem):
            return None
        return found if path.with_suffix(".csv").is_file() else None

    def _address(self, stem: str) -> str:
        return f"{self._url}/{stem}.tar"

    def _remote_path(self, name: str) -> str:
        return posixpath.join(self._root, name)

    def _size(self, name: str) -> int | None:
        try:
            return int(self._filesystem.info(self._remote_path(name))["size"])
        except FileNotFoundError:
            return None

    def _fetch_side_files(self, stem: str, name: str) -> None:
        """Fetch a finished shard's table and index, if the URL has them."""
        for kind in SIDE_FILES:
            try:
                content = self._filesystem.cat_file(self._remote_path(f"{stem}.{kind}"))
            except FileNotFoundError:
                return
            with write_atomic(self._folder / f"{name}.{kind}") as temporary:
                temporary.write_bytes(content)

    def _put(self, local: Path, name: str) -> None:
        """Upload one file; OSError if it did not arrive whole."""
        target = self._remote_path(name)
        if self._puts_whole:
            self._filesystem.put_file(str(local), target)
        else:
            temporary = f"{target}.{uuid.uuid4().hex}.tmp"
            self._filesystem.makedirs(posixpath.dirname(target), exist_ok=True)
            self._filesystem.put_file(str(local), temporary)
            self._filesystem.mv(temporary, target)
        arrived, sent = self._size(name), local.stat().st_size
        if arrived != sent:
            raise OSError(f"{self._url}/{name}: {arrived} bytes arrived of {sent}")


def puts_whole(filesystem: Any) -> bool:
    """Whether an upload appears at once, under its own name and without folders."""
    protocol = filesystem.protocol
    return bool(OBJECT_STORES & ({protocol} if isinstance(protocol, str) else set(protocol)))


def resolve_url(url: str) -> str:
    """`shards.url` in a form that all processes can use; InputError if it holds a secret, or is in
    the memory of one process.

    A path becomes absolute, because actors run in other folders.
    """
    if not url:
        return ""
    secret = find_secret(url)
    if secret:
        raise InputError(
            f"shards.url holds {secret}, which every index would repeat: leave it out, and set "
            "the credentials in the environment (such as AWS_ACCESS_KEY_ID)"
        )
    if IN_MEMORY.search(url):
        raise InputError(
            "shards.url is in the memory of one process, so no other stage would find the "
            "shards: use a disk or an object store"
        )
    return url if "://" in url else Path(url).expanduser().absolute().as_posix()


def check_url(url: str) -> None:
    """InputError if nothing can be written to the URL, before hours of work are lost."""
    if not url:
        return
    filesystem, root = open_filesystem(url)
    probe = posixpath.join(root.rstrip("/"), f".lipnet-{uuid.uuid4().hex}")
    try:
        if not puts_whole(filesystem):
            filesystem.makedirs(root, exist_ok=True)
        filesystem.pipe_file(probe, b"")
        filesystem.rm_file(probe)
    except Exception as error:  # each file system has its own errors
        raise InputError(
            f"shards.url {url} cannot be written to ({type(error).__name__}: {error}); is there "
            "such a bucket, and are its credentials and endpoint set?"
        ) from error
