"""Arguments that the others leave nothing to do: refused, so that nobody believes they counted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from eval.errors import UsageError
from eval.foreign import is_foreign

if TYPE_CHECKING:
    from eval.engine.engine import Precision
    from eval.protocols import Protocol
    from eval.request import EngineName


def refuse_ignored(
    protocol: Protocol | None,
    *,
    engine: EngineName,
    precision: Precision,
    save_adversarial: Path | None = None,
    journal: Path | None = None,
) -> None:
    """Raises `UsageError` for the first argument that would be ignored.

    protocol: None where nothing is known of it but that it attacks. journal: a place that was
    named, None where it is a default.
    """
    if engine == "reference" and precision == "bf16":
        raise UsageError(
            "`precision='bf16'` is of the fast engine's search, and engine 'reference' computes in"
            " fp32: leave it out, or use `engine='fast'`"
        )
    others = protocol.stages if protocol is not None else ()
    if others and precision == "bf16" and all(map(is_foreign, others)):
        raise UsageError(
            f"`precision='bf16'` is of our own search, and attack {others[0].name!r} is another"
            " library's, which computes in fp32: leave it out"
        )
    if protocol is None or protocol.stages:
        return
    unused = {
        "`precision='bf16'`": (precision == "bf16", "there is no search"),
        f"`save_adversarial` {save_adversarial}": (
            save_adversarial is not None,
            "there are no adversarial images",
        ),
        f"`journal` {journal}": (journal is not None, "there are no verdicts to keep"),
    }
    for what, (is_given, why) in unused.items():
        if is_given:
            raise UsageError(
                f"{what}: attack {protocol.name!r} attacks nothing, so {why}; leave it out, or name"
                " an attack"
            )
