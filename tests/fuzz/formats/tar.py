"""Tar archives of pictures: headers with a checksum, contents without one."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzz.damage import damage_bytes, damage_file
from tests.fuzz.format import Damage, Format
from tests.fuzz.formats.pictures import bomb, is_right_png, pictures, read_imagenet

_FILE = "val.tar"
_TYPES = (*(bytes([code]) for code in b"0123456789SLKxgX"), b"\0", b"\xff")
_FIELDS = {
    "name": (0, 100), "mode": (100, 8), "uid": (108, 8), "size": (124, 12), "mtime": (136, 12),
    "type": (156, 1), "link": (157, 100), "magic": (257, 8), "prefix": (345, 155),
}  # fmt: skip


class Tars(Format):
    """Six pictures in class folders, uncompressed."""

    name = "tar"
    falsified_means = (
        "a picture is accepted under an id or with a label that it was not put in with, or with"
        " other pixels although its own checksums are wrong; where the checksum of a header was not"
        " made right again, also fewer pictures"
    )

    def make(self, folder: Path) -> None:
        _write(folder / _FILE, pictures())

    def damage(self, folder: Path, rng: Random) -> Damage:
        path = folder / _FILE
        way = rng.choice(("bytes", "bytes", "field", "field", "field", "new", "new"))
        if way == "bytes":
            return Damage(damage_file(path, rng))
        if way == "field":
            return Damage(_change_field(path, rng), is_resealed=True)
        return Damage(_new(path, rng), is_resealed=True)

    def read(self, folder: Path) -> Any:
        return read_imagenet(folder)

    def falsified(self, folder: Path, found: Any, original: Any, damage: Damage) -> str:
        (found, is_told), (original, _) = found, original
        for one, (label, pixels) in found.items():
            if one not in original:
                # A header's checksum is a sum of bytes: two changed ones can cancel out.
                return "" if damage.is_resealed else f"{one} was not there"
            if label != original[one][0]:
                return f"{one} has another label"
            if pixels != original[one][1] and not damage.is_resealed:
                return f"{one} has other pixels" if _is_wrong(folder / _FILE, one) else ""
        if len(found) < len(original) and not (damage.is_resealed or is_told):
            return "fewer pictures, of which nothing is said"
        return ""


def _write(path: Path, files: dict[str, bytes], **more: Any) -> None:
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def _is_wrong(path: Path, one: str) -> bool:
    """Whether a picture's file contradicts itself."""
    with tarfile.open(path) as archive:
        for member in archive:
            if one in member.name:
                stream = archive.extractfile(member)
                return stream is None or not is_right_png(stream.read())
    return True


def _change_field(path: Path, rng: Random) -> str:
    """A field of a header, whose checksum is right again."""
    content = bytearray(path.read_bytes())
    starts = [i for i in range(0, len(content), 512) if content[i + 257 : i + 262] == b"ustar"]
    start = rng.choice(starts)
    name, (at, size) = rng.choice(list(_FIELDS.items()))
    values = {
        "name": (b"../../x.png", b"", b"\xff" * 100, b"a\x1b[2J/b.png", b"/etc/passwd"),
        "type": _TYPES,
        "link": (b"/etc/passwd", b"../x", b""),
        "size": (b"77777777777\0", b"\x80" + b"\xff" * 11, b"-1\0", b"", b"00000000000\0", b"9z\0"),
    }.get(name, (b"", b"\xff" * size, b"7" * size, rng.randbytes(size)))
    content[start + at : start + at + size] = rng.choice(values)[:size].ljust(size, b"\0")
    content[start + 148 : start + 156] = b" " * 8
    content[start + 148 : start + 156] = b"%06o\0 " % sum(content[start : start + 512])
    path.write_bytes(bytes(content))
    return f"{name} of the header at {start}"


def _new(path: Path, rng: Random) -> str:
    """Another archive, right in itself."""
    files = pictures()
    name = rng.choice(sorted(files))
    match rng.choice(
        ("link", "link", "big", "pixels", "text", "twice", "damaged", "many", "sparse")
    ):
        case "link" | "sparse" as kind:
            _write(path, files)
            member = tarfile.TarInfo(name if rng.random() < 0.5 else f"{name[:-4]}0.png")
            member.type = rng.choice(
                (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE)
            )
            if kind == "sparse":
                member.type = tarfile.GNUTYPE_SPARSE
            member.linkname = rng.choice((name, "/etc/passwd", "../../x", member.name, ""))
            with tarfile.open(path, "a") as archive:
                archive.addfile(member)
            return f"{member.name} of type {member.type!r} to {member.linkname!r}"
        case "big":
            # Said to be large, and so: the file has holes, so that it takes no room.
            _write(path, files)
            size = rng.choice((10**8, 3 * 10**9))
            member = tarfile.TarInfo(f"{name[:-4]}.JPEG")
            member.size = size
            with path.open("r+b") as stream:
                stream.seek(0, 2)
                end = stream.tell() - 1024
                stream.seek(end)
                stream.write(member.tobuf(tarfile.GNU_FORMAT))
                stream.truncate(end + 512 + size + 10_240)
            return f"a member of {size} bytes"
        case "pixels":
            files[name] = bomb(rng.choice((3000, 60_000)), rng.choice((3000, 60_000)))
        case "text":
            files[name] = rng.choice((b"", b"GIF89a", b"%!PS-Adobe EPSF-3.0", b"\0" * 512))
        case "twice":
            files[f"other/{name}"] = files[sorted(files)[0]]
        case "damaged":
            files[name] = damage_bytes(files[name], rng)[0]
        case "many":
            files |= {f"{name[:-4]}/{i}.txt": b"" for i in range(rng.choice((1, 3000)))}
    _write(path, files)
    return f"{name} changed, {len(files)} members"
