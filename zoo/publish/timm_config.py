"""`config.json` of a published model: what timm reads, or what is needed instead of timm."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from eval.errors import SatZooError

if TYPE_CHECKING:
    from zoo.cards import ModelCard
    from zoo.model import ZooModel

# Networks of the zoo that timm has under another name, and what differs. The ResNets are missing:
# their max-pool pads as TensorFlow does, which no argument of timm's ResNet asks for.
TIMM_ARCHS: Mapping[str, tuple[str, Mapping[str, Any]]] = MappingProxyType(
    {
        f"satzoo_efficientnet_b{n}": (f"tf_efficientnet_b{n}", MappingProxyType({"bn_eps": 1e-5}))
        for n in range(8)
    }
)
# Our activations -> the strings of timm's `act_layer` that compute the same in both directions.
TIMM_ACTIVATIONS: Mapping[str, str] = MappingProxyType(
    {
        "relu": "relu",
        "silu": "silu",
        "gelu": "gelu_tanh",
        "gelu-exact": "gelu",
        "elu": "elu",
        "celu": "celu",
        "mish": "mish",
    }
)
_MARGIN = 32  # the pipelines of zoo/preprocess.py keep SIZE of SIZE + 32 pixels
_TOLERANCE = 1e-4  # relative to the largest logit


def timm_model(info: ModelCard) -> tuple[str, dict[str, Any]] | None:
    """Name and arguments in timm of the network of a card, None if timm cannot express it."""
    activation = TIMM_ACTIVATIONS.get(info.activation)
    own = info.arch.startswith("satzoo_")
    if activation is None or (own and info.arch not in TIMM_ARCHS):
        return None
    arch, arguments = TIMM_ARCHS.get(info.arch, (info.arch, {}))
    return arch, {
        **arguments,
        **info.arch_args,
        "act_layer": activation,
        "in_chans": info.input.channels,
    }


def config(info: ModelCard, weights: Mapping[str, object]) -> dict[str, Any]:
    """The content of `config.json`.

    weights: what is said of the weight file under `sat_zoo`.

    Without a network of timm's there is no `architecture`, the key that timm demands: timm then
    refuses the repository rather than build something else.
    """
    found = timm_model(info)
    about: dict[str, Any] = {
        "load": f'zoo.load("{info.name}")',
        "weights": dict(weights),
        "card": info.model_dump(mode="json"),
    }
    if found is None:
        about = {
            "needs": f"the Python package sat-zoo: timm alone has no {info.arch} with the"
            f" activation {info.activation}",
            **about,
        }
        return {"library_name": "sat-zoo", "num_classes": info.classes, "sat_zoo": about}
    arch, arguments = found
    return {
        "architecture": arch,
        "num_classes": info.classes,
        "global_pool": "avg",
        "model_args": arguments,
        "pretrained_cfg": _pretrained_cfg(info, arch),
        "library_name": "timm",
        "sat_zoo": about,
    }


def _pretrained_cfg(info: ModelCard, arch: str) -> dict[str, Any]:
    """What timm must know of the input and of the layers that it replaces for other tasks."""
    import timm

    of_arch = timm.get_pretrained_cfg(arch)
    spec = info.input
    padded = spec.preprocess in ("resnet-opencv", "efficientnet-tf")
    keeps = spec.size / (spec.size + _MARGIN) if padded else 1.0
    return {
        "input_size": [spec.channels, spec.size, spec.size],
        "fixed_input_size": False,
        "interpolation": spec.interpolation or "bicubic",
        "crop_pct": keeps if spec.crop_pct is None else spec.crop_pct,
        "crop_mode": spec.crop_mode,
        "mean": list(spec.mean),
        "std": list(spec.std),
        "num_classes": info.classes,
        "first_conv": getattr(of_arch, "first_conv", None),
        "classifier": getattr(of_arch, "classifier", None),
    }


def prove(said: Mapping[str, Any], model: ZooModel) -> None:
    """Build what `config.json` says with timm and compare its logits with ours on one image.

    Raises `SatZooError` if they differ: a page must not promise what does not work.
    """
    import timm
    import torch

    data = said["pretrained_cfg"]
    try:
        network = timm.create_model(
            said["architecture"],
            pretrained_cfg=data,
            num_classes=said["num_classes"],
            **said["model_args"],
        )
        network.load_state_dict(model.net.state_dict())
    except (RuntimeError, TypeError, KeyError) as error:
        raise _not_the_same(said, model, str(error)) from error
    x = torch.rand(1, *data["input_size"], generator=torch.Generator().manual_seed(0))
    mean, std = (torch.tensor(data[key]).view(1, -1, 1, 1) for key in ("mean", "std"))
    with torch.inference_mode():
        ours = model(x)
        gap = (network.eval()((x - mean) / std) - ours).abs().max()
    if not gap <= _TOLERANCE * ours.abs().max():
        raise _not_the_same(said, model, f"logits differ by up to {gap:.2g}")


def _not_the_same(said: Mapping[str, Any], model: ZooModel, problem: str) -> SatZooError:
    import timm

    return SatZooError(
        f"{model.card.name}: timm {timm.__version__} does not compute the same as"
        f" {said['architecture']!r} ({problem}): nothing was published; install the timm that"
        " sat-zoo was tested with"
    )
