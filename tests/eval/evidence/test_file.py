"""What travels is bound to its Report: whatever is changed in it is refused, and named."""

import json
import os
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from torch import nn

from eval.adversarial import AdversarialImages
from eval.data import ImageSet, from_tensors
from eval.errors import DataError, ReportError, SatZooError
from eval.evidence.file import Evidence, read_evidence
from eval.evidence.packing import deflated
from eval.evidence.replay import replay
from tests.eval.evidence.files import parts_of, report_of, resealed, written


def test_what_was_packed_is_what_was_saved(whole: Path, plain_file: Path, data: ImageSet) -> None:
    saved, packed = AdversarialImages.read(plain_file), read_evidence(whole)
    assert packed.images.origin == saved.origin
    assert packed.images.report == saved.report
    assert torch.equal(packed.images.x_adv, saved.x_adv)
    assert packed.x is not None
    assert torch.equal(packed.x, data.select_ids(saved.origin.ids).tensors()[0])
    assert whole.stat().st_size < plain_file.stat().st_size


def test_the_same_images_make_the_same_file(whole: Path) -> None:
    assert read_evidence(whole).to_bytes() == whole.read_bytes()


def test_a_file_of_the_older_kind_is_read(plain_file: Path) -> None:
    found = read_evidence(plain_file)
    assert found.x is None
    assert found.images.n_broken == len(found.images.x_adv) > 5


def test_images_of_which_some_are_missing_are_not_packed(plain_file: Path, data: ImageSet) -> None:
    found = AdversarialImages.read(plain_file)
    origin = type(found.origin).of(found.report, found.origin.ids[:2], "")
    fewer = AdversarialImages(found.x_adv[:2], origin, found.report)
    with pytest.raises(ReportError, match=r"only 2 of the \d+ images are here that the report"):
        Evidence.of(fewer, data)


def leaves(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the values of a Report are: each field, and of each list the first one."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from leaves(value, (*path, key))
    elif isinstance(node, list) and node:
        yield from leaves(node[0], (*path, 0))
    else:
        yield path


def with_another(report: dict[str, Any], path: tuple[Any, ...]) -> dict[str, Any]:
    found = deepcopy(report)
    node: Any = found
    for key in path[:-1]:
        node = node[key]
    value = node[path[-1]]
    if isinstance(value, bool):
        node[path[-1]] = not value
    elif isinstance(value, str):
        digest = len(value) == 64
        node[path[-1]] = (
            "0123" * 16 if digest else "2020-01-01T00:00:00Z" if "T" in value[8:12] else f"{value}x"
        )
    elif isinstance(value, int | float):
        node[path[-1]] = value + 1
    else:
        node[path[-1]] = "x" if value is None else ["x"]
    return found


def test_no_field_of_the_report_can_be_changed(whole: Path, tmp_path: Path) -> None:
    report = report_of(whole)
    head, tensors = parts_of(whole)
    n = 0
    for path in leaves(report):
        other = with_another(report, path)
        content = json.dumps(other, separators=(",", ":")).encode()
        packed = np.frombuffer(deflated(content), np.uint8)
        changed = written(
            tmp_path / "b.safetensors",
            {**head, "report_bytes": len(content)},
            {**tensors, "report": packed},
        )
        with pytest.raises(ReportError, match=r"b\.safetensors") as caught:
            read_evidence(changed)
        assert str(caught.value).isprintable(), path
        n += 1
    assert n > 50


def test_what_was_sealed_again_proves_another_report_or_none(
    whole: Path, tmp_path: Path, tiny_net: nn.Module, data: ImageSet
) -> None:
    """By somebody who knows the format: then model and data speak, or it is another Report."""
    report, original = report_of(whole), read_evidence(whole).images.report
    for path in leaves(report):
        changed = resealed(tmp_path / "b.safetensors", whole, report=with_another(report, path))
        try:
            found = read_evidence(changed)
            replay(found, tiny_net, data)
        except SatZooError:
            continue
        assert found.images.report != original, path  # so the one that was published tells


@pytest.mark.parametrize("name", ["report", "base", "codes", "offsets"])
def test_no_part_can_be_changed_or_missing(whole: Path, tmp_path: Path, name: str) -> None:
    head, tensors = parts_of(whole)
    other = tensors[name].copy()
    other[len(other) // 2] += 1
    for falsified in (
        {**tensors, name: other},
        {**tensors, name: tensors[name][:-1].copy()},
        {**tensors, name: np.concatenate([tensors[name], tensors[name][:1]])},
        {**tensors, name: tensors[name].astype(np.float64)},
        {**tensors, name: tensors[name][None]},
        {key: value for key, value in tensors.items() if key != name},
        {**tensors, "more": tensors[name]},
    ):
        changed = written(tmp_path / "b.safetensors", head, falsified)
        with pytest.raises(ReportError, match=r"b\.safetensors"):
            read_evidence(changed)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kind", "bytes"),
        ("kind", "levels"),
        ("kind", "pickle"),
        ("grid", 16),
        ("grid", 0),
        ("grid", 10**9),
        ("shape", [3, 8, 9]),
        ("shape", [3, 0, 8]),
        ("shape", [3, 2**16, 2**16]),
        ("shape", [8, 8]),
        ("report_bytes", 10),
        ("report_bytes", 2**40),
        ("content_sha256", "0123" * 16),
        ("surprise", 1),
    ],
)
def test_no_word_of_the_head_can_be_changed(
    whole: Path, tmp_path: Path, field: str, value: object
) -> None:
    head, tensors = parts_of(whole)
    if head.get(field) == value:
        head[field] = "levels-differences"
    else:
        head[field] = value
    with pytest.raises(ReportError, match=r"b\.safetensors"):
        read_evidence(written(tmp_path / "b.safetensors", head, tensors))


def test_a_digest_of_other_clean_images_is_refused_when_they_are_looked_at(
    whole: Path, tmp_path: Path, tiny_net: nn.Module
) -> None:
    head, tensors = parts_of(whole)
    head["pixels_sha256"] = "0123" * 16
    found = read_evidence(written(tmp_path / "b.safetensors", head, tensors))
    with pytest.raises(ReportError, match="the clean images in it are not those that it names"):
        replay(found, tiny_net, None)


def test_what_is_no_such_file_is_one_sentence(tmp_path: Path, whole: Path) -> None:
    content = whole.read_bytes()
    path = tmp_path / "b.safetensors"
    for damaged in (b"", content[:-10], content[:60], content[:8], b"{}", content + b"\0"):
        path.write_bytes(damaged)
        with pytest.raises(ReportError, match=r"b\.safetensors"):
            read_evidence(path)
    save_file({"x": np.zeros(3, np.float32)}, path)
    with pytest.raises(ReportError, match=r"b\.safetensors"):
        read_evidence(path)
    os.mkfifo(tmp_path / "fifo")
    for name in ("fifo", ".", "missing"):
        with pytest.raises(ReportError, match="cannot be read"):
            read_evidence(tmp_path / name)


def test_a_file_that_unpacks_to_more_than_allowed_is_refused(
    whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAT_ZOO_LIMITS", "evidence_bytes=8000")
    with pytest.raises(ReportError, match=r"more than the 8,000 allowed; SAT_ZOO_LIMITS=evidence"):
        read_evidence(whole)


def test_other_data_do_not_become_the_clean_images(plain_file: Path, data: ImageSet) -> None:
    x, y = data.tensors()
    with pytest.raises(DataError, match="use the data that they were made from"):
        Evidence.of(AdversarialImages.read(plain_file), from_tensors(1 - x, y))
