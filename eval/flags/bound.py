"""Of protocols whose robust accuracy says less than AutoAttack's would."""

from __future__ import annotations

from eval.protocols import Protocol, is_upper_bound
from eval.report.report import Flag


def bound_flags(protocol: Protocol) -> list[Flag]:
    """Said of every run of such a protocol, so that each reader of its Report sees it.

    An upper bound of robust accuracy it is under every protocol, since each break is verified and
    whatever else breaks lowers it; under these a reader must not take it for more.
    """
    if not is_upper_bound(protocol.name):
        return []
    detail = (
        f"robust accuracy under {protocol.name} is an upper bound: it leaves out much of what"
        " AutoAttack tries, which may break more"
    )
    return [Flag(code="upper-bound", detail=detail)]
