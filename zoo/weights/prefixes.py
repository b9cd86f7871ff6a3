"""Names of tensors that carry a wrapper's prefix: which sets a file holds, and one of them taken.

DataParallel and DDP put `module.` before every name, torch.compile `_orig_mod.`, Lightning and many
training loops `model.`, moving averages `ema.`, `model_ema.`, `shadow.` and what else; they nest.
So no list of prefixes is kept: a prefix is what stands before a name that the network has.
No torch here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

from eval.errors import WeightsMismatch

T = TypeVar("T")

__all__ = ["is_counter", "prefix_advice", "taken"]

_COUNTER = "num_batches_tracked"
_WRAPPERS = frozenset({"module", "_orig_mod"})
"""What frameworks also put into the middle of a name, where only a part of a network is wrapped."""


def is_counter(name: str) -> bool:
    """Whether the tensor only counts batches: inference never reads it, many files lack it."""
    return name.rpartition(".")[2] == _COUNTER


def taken(tensors: Mapping[str, T], wanted: Collection[str], prefix: str) -> dict[str, T]:
    """The tensors of one set by the network's names: those that begin with `prefix`, without it.

    wanted: the network's names. prefix: "" for the tensors that have those names already.

    Where a file holds each tensor of the network once, some with the prefix and some without, all
    are taken. Where it holds two sets nothing is mixed: what the set of `prefix` lacks is lacking.

    Raises `WeightsMismatch`, a sentence without the file, if no tensor begins with `prefix`.
    """
    if not prefix:
        return {name: value for name, value in tensors.items() if name in wanted}
    found = {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix) and name != prefix
    }
    if not found:
        there = prefix_advice(tensors, wanted) or f"the first is {min(tensors, default='')!r}"
        raise WeightsMismatch(f"no tensor's name begins with {prefix!r} (`strip_prefix`): {there}")
    if _is_single(tensors, wanted):
        found |= {name: tensors[name] for name in set(wanted) - found.keys() if name in tensors}
    return found


def prefix_advice(names: Iterable[str], wanted: Collection[str], said: str | None = None) -> str:
    """What to do about names that do not fit: which prefix they carry and which option takes it.

    said: the prefix that the user named already. "" where prefixes are not the reason.
    """
    names = list(names)
    needed = {name for name in wanted if not is_counter(name)}
    sets = _sets(names, wanted)
    whole = [prefix for prefix, has in sets.items() if needed <= has]
    own = sets.get("", set())
    if not needed or said in whole or (whole == [""] and not _others(sets, needed)):
        return ""
    if len(whole) == 1 and whole[0]:
        return _one(whole[0], names)
    if whole:
        return _several(whole, sets, needed)
    for prefix in _others(sets, needed, share=0):
        if needed <= own | sets[prefix] and not own & sets[prefix] and len(sets) == 1 + bool(own):
            return (
                f"{len(sets[prefix])} of its {len(names)} tensors carry the prefix {prefix!r} and"
                f" the others have the network's own names: {_option(prefix)} takes all of them"
            )
    for prefix in _others(sets, needed):
        lacking = sorted(needed - sets[prefix])
        return (
            f"{len(sets[prefix])} of its tensors carry the prefix {prefix!r}, which"
            f" {_option(prefix)} takes, but the network needs {len(lacking)} more, the first"
            f" {lacking[0]!r}: the set is not whole, and sets are never mixed"
        )
    return _inside(names, needed)


def _sets(names: Iterable[str], wanted: Collection[str]) -> dict[str, set[str]]:
    """By prefix, the network's names that stand behind it in the file, counters left out.

    The largest set comes first. The prefix of a name is the shortest that leaves one of the
    network's: behind `ema.layer1.0.` stands a `conv1.weight` too, which is another tensor.
    """
    found: dict[str, set[str]] = {}
    for name in names:
        start = 0
        while name[start:] not in wanted:
            dot = name.find(".", start)
            if dot < 0:
                break
            start = dot + 1
        else:
            if not is_counter(name):
                found.setdefault(name[:start], set()).add(name[start:])
    return dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0])))


def _is_single(names: Iterable[str], wanted: Collection[str]) -> bool:
    """Whether no tensor of the network stands twice in the file, under whatever prefixes."""
    sets = list(_sets(names, wanted).values())
    return sum(map(len, sets)) == len(set().union(*sets))


def _others(sets: Mapping[str, set[str]], needed: set[str], share: float = 0.5) -> list[str]:
    """Prefixes under which more than `share` of the network stands."""
    return [prefix for prefix, has in sets.items() if prefix and len(has) > share * len(needed)]


def _one(prefix: str, names: list[str]) -> str:
    left = sorted(name for name in names if not name.startswith(prefix))
    rest = f" and leaves {len(left)}, the first {left[0]!r}" if left else ""
    return (
        f"its names carry the prefix {prefix!r}: {_option(prefix)} takes"
        f" {len(names) - len(left)} of its {len(names)} tensors{rest}"
    )


def _several(whole: list[str], sets: Mapping[str, set[str]], needed: set[str]) -> str:
    """The file holds a whole set and at least most of another: say which option takes which."""
    ways = [
        f"{_option(prefix)} takes the {len(sets[prefix])}"
        + (f" under {prefix!r}" if prefix else " that have the network's own names")
        for prefix in whole
    ]
    broken = [prefix for prefix in _others(sets, needed) if prefix not in whole]
    lacks = [
        f"those under {prefix!r} lack {len(needed - sets[prefix])} tensors of the network, the"
        f" first {min(needed - sets[prefix])!r}"
        for prefix in broken
    ]
    return f"it holds {len(whole) + len(broken)} sets of weights: {', '.join(ways + lacks)}"


def _inside(names: list[str], needed: set[str]) -> str:
    """Wrappers in the middle of names, which no option takes out."""
    for name in names:
        parts = name.split(".")
        if _WRAPPERS & set(parts) and _unwrapped(name) in needed:
            if needed <= set(map(_unwrapped, names)):
                word = next(part for part in parts if part in _WRAPPERS)
                return (
                    f"only a part of its network was wrapped ({name!r}), and `strip_prefix` takes"
                    f" only what begins a name: save it again with {word + '.'!r} taken out"
                )
            break
    return ""


def _unwrapped(name: str) -> str:
    return ".".join(part for part in name.split(".") if part not in _WRAPPERS)


def _option(prefix: str) -> str:
    said = prefix or "''"
    return f'`strip_prefix` {said} (strip_prefix="{prefix}")'
