"""Zip archives of pictures, as ImageNet's validation set is handed around."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzz.damage import damage_bytes, damage_file
from tests.fuzz.format import Damage, Format
from tests.fuzz.formats.pictures import bomb, pictures, read_imagenet, strangers

_FILE = "val.zip"
_CENTRAL, _END = b"PK\1\2", b"PK\5\6"


class Zips(Format):
    """Six pictures in class folders."""

    name = "zip"
    falsified_means = (
        "a picture is accepted under an id, or with a label or pixels, that it was not put in with;"
        " a new archive with right checksums may hold fewer or other pictures"
    )

    def make(self, folder: Path) -> None:
        _write(folder / _FILE, pictures())

    def damage(self, folder: Path, rng: Random) -> Damage:
        path = folder / _FILE
        way = rng.choice(("bytes", "bytes", "directory", "directory", "header", "new", "new"))
        if way == "bytes":
            return Damage(damage_file(path, rng))
        content = path.read_bytes()
        if way in {"directory", "header"}:
            start = content.index(_CENTRAL)
            inside = content[start:] if way == "directory" else content[:start]
            inside, what = _change_field(inside, _CENTRAL if way == "directory" else b"PK\3\4", rng)
            whole = content[:start] + inside if way == "directory" else inside + content[start:]
            path.write_bytes(whole)
            return Damage(f"{way}: {what}")
        return Damage(_new(path, rng), is_resealed=True)

    def read(self, folder: Path) -> Any:
        return read_imagenet(folder)

    def falsified(self, folder: Path, found: Any, original: Any, damage: Damage) -> str:
        (found, is_told), (original, _) = found, original
        if damage.is_resealed:
            with zipfile.ZipFile(folder / _FILE) as archive:
                stems = [Path(name).stem for name in archive.namelist()]
            twice = [one for one in found if stems.count(one) > 1]
            return f"{twice[0]} was there twice" if twice else ""
        if found != original:
            strange = strangers(found, original)
            return strange or ("" if is_told else "fewer pictures, of which nothing is said")
        return ""


def _write(path: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)


def _change_field(data: bytes, mark: bytes, rng: Random) -> tuple[bytes, str]:
    """Another number in one field of one header that begins with `mark`."""
    starts = [i for i in range(len(data)) if data.startswith(mark, i)]
    size = rng.choice((2, 4))
    at = rng.choice(starts) + rng.randrange(4, 46, 2)
    number = rng.choice((0, 1, 0xFF, 0xFFFF, 0xFFFFFFFF, 0x7FFFFFFF, rng.randrange(2**32)))
    changed = data[:at] + (number % 256**size).to_bytes(size, "little") + data[at + size :]
    return changed, f"{number % 256**size} at {at}"


def _new(path: Path, rng: Random) -> str:
    """Another archive, right in itself."""
    files = pictures()
    name = rng.choice(sorted(files))
    match rng.choice(
        ("bomb", "pixels", "text", "name", "drop", "more", "damaged", "empty", "said")
    ):
        case "bomb":
            files[name] = bytes(rng.choice((10**6, 10**8, 6 * 10**8)))
            what = f"{len(files[name])} zeros"
        case "pixels":
            width = rng.choice((3000, 60_000, 2**31 - 1))
            files[name] = bomb(width, rng.choice((3000, 60_000, 2**31 - 1)))
            what = f"a picture of width {width}"
        case "text":
            files[name] = rng.choice((b"", b"GIF89a", b"\0", b"%!PS-Adobe EPSF-3.0", b"<svg/>"))
            what = f"{files[name]!r} for a picture"
        case "name":
            new = rng.choice(
                (
                    "../" + name,
                    "/" + name,
                    "a\x1b[2J/" + name,
                    "\\".join(name.split("/")),
                    "x" * 60_000,
                )
            )
            files[new], what = files.pop(name), f"a picture called {new[:40]!r}"
        case "drop":
            del files[name]
            what = f"without {name}"
        case "more":
            files |= {f"{name[:-4]}{i}.png": files[name] for i in range(rng.choice((1, 3000)))}
            what = f"{len(files)} pictures"
        case "damaged":
            files[name], what = damage_bytes(files[name], rng)
        case "empty":
            files, what = {}, "no pictures"
        case "said":
            _write(path, files)
            return _lie(path, rng)
    if what.endswith("zeros") and len(files[name]) > 10**8:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for one, data in files.items():
                archive.writestr(one, data)
        return what
    _write(path, files)
    return what


def _lie(path: Path, rng: Random) -> str:
    """A size unpacked that is not the entry's own, in both headers."""
    content = bytearray(path.read_bytes())
    said = rng.choice((0, 1, 10**6, 2**32 - 1))
    at = content.index(_CENTRAL)
    content[at + 24 : at + 28] = struct.pack("<I", said)
    content[22:26] = struct.pack("<I", said)
    path.write_bytes(bytes(content))
    return f"an entry that says {said} bytes, crc {zlib.crc32(b''):x}"
