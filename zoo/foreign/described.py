"""What a stranger's config.json may say of a network, by type and range. No torch here.

Every range holds all networks of timm with room to spare; what lies outside of it costs hours or
memory before anybody notices that nothing of the kind exists.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from eval.errors import ModelError, first_fault
from eval.files.border import plain

MOST_CLASSES = 10**6
_MOST = 10**5  # of a width, a depth, a size, and of those in one list together
_ITEMS = 100  # of one list or object
_VALUES = 1000  # of all arguments together
_DEPTH = 5

_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_Level = Annotated[float, Field(ge=-(10**4), le=10**4, allow_inf_nan=False)]
_Text = Annotated[str, Field(max_length=200)]
_Edge = Annotated[int, Field(ge=1, le=10**4)]
_Channels = Annotated[int, Field(ge=1, le=64)]
_Levels = Annotated[list[_Level], Field(max_length=64)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class _Preprocessing(_Strict):
    """What of pretrained_cfg is used, here or by timm."""

    input_size: Annotated[list[_Edge], Field(min_length=3, max_length=3)] | None = None
    mean: _Levels | _Level | None = None
    std: _Levels | _Level | None = None
    interpolation: _Text | None = None
    crop_pct: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] | None = None
    crop_mode: _Text | None = None
    num_classes: Annotated[int, Field(le=MOST_CLASSES)] | None = None
    fixed_input_size: bool | None = None
    pool_size: Annotated[list[_Edge], Field(max_length=2)] | None = None
    first_conv: _Text | Annotated[list[_Text], Field(max_length=_ITEMS)] | None = None
    classifier: _Text | Annotated[list[_Text], Field(max_length=_ITEMS)] | None = None
    label_offset: Annotated[int, Field(ge=0, le=1000)] | None = None


class _Arguments(_Strict):
    """The arguments of `timm.create_model` whose type timm itself finds out too late, or never."""

    num_classes: Annotated[int, Field(le=MOST_CLASSES)] | None = None
    in_chans: _Channels | None = None
    img_size: _Edge | Annotated[list[_Edge], Field(max_length=2)] | None = None
    global_pool: Annotated[str, Field(min_length=1, max_length=40)] | None = None
    act_layer: Annotated[str, Field(min_length=1, max_length=40)] | None = None
    norm_layer: Annotated[str, Field(min_length=1, max_length=40)] | None = None
    drop_rate: _Share | None = None
    drop_path_rate: _Share | None = None
    drop_block_rate: _Share | None = None
    attn_drop_rate: _Share | None = None
    pos_drop_rate: _Share | None = None
    patch_drop_rate: _Share | None = None
    proj_drop_rate: _Share | None = None


def check_preprocessing(said: Mapping[str, Any], who: str) -> None:
    """Raises `ModelError` for a value of pretrained_cfg that cannot be."""
    _validate(_Preprocessing, said, f"{who}: config.json")


def check_arguments(args: Mapping[str, Any], who: str) -> None:
    """Raises `ModelError` for arguments of the network of no type or size that one can have."""
    where = f"{who}: model_args in config.json"
    _validate(_Arguments, args, where)
    left = [_VALUES]
    for name, value in args.items():
        problem = "" if name == "num_classes" else _problem(value, _DEPTH, left)
        if problem:
            raise ModelError(f"{where}: {plain(name, 40)} {problem}: no network of timm has that")


def check_texts(values: Any, who: str) -> None:
    """Raises `ModelError` if a text in a published card is none that can be shown."""
    if isinstance(values, str) and (len(values) > 2000 or not values.isprintable()):
        raise ModelError(
            f"{who}: the card in config.json is invalid: it says {plain(values, 60)!r}"
        )
    inner = values.values() if isinstance(values, dict) else values
    if isinstance(values, dict | list):
        for value in inner:
            check_texts(value, who)


def _validate(kind: type[BaseModel], said: Mapping[str, Any], where: str) -> None:
    try:
        kind.model_validate(dict(said))
    except ValidationError as error:
        raise ModelError(
            f"{where} is not possible: {plain(first_fault(error, 'all of it'))}"
        ) from error


def _problem(value: Any, depth: int, left: list[int]) -> str:
    """What is wrong with an argument; "" if nothing is. left: how many values may still come."""
    left[0] -= 1
    if left[0] < 0:
        return f"and what stands before it are more than {_VALUES} values"
    if isinstance(value, list | dict):
        inner = list(value.values()) if isinstance(value, dict) else value
        if depth == 0 or len(inner) > _ITEMS:
            return f"holds more than {_ITEMS} values, or values within values within values"
        if sum(abs(one) for one in inner if isinstance(one, int)) > _MOST:
            return f"holds numbers that are together above {_MOST:,}"
        return next(filter(None, (_problem(one, depth - 1, left) for one in inner)), "")
    if isinstance(value, int | float) and abs(value) > _MOST:
        return f"is {plain(str(value), 40)}, above {_MOST:,}"
    return "is a text of more than 200 characters" if len(str(value)) > 200 else ""
