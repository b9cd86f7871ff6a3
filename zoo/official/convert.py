"""From the authors' TensorFlow checkpoint to a state dict of ours, or an error that says why not.

Every variable of the checkpoint is accounted for: it is part of the network, it is known to be
left over from training, or the import fails.
"""

from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from timm.models.efficientnet import EfficientNet
from torch import Tensor, nn

from eval.errors import UsageError, WeightsMismatch
from zoo import networks
from zoo.cards import ModelCard, Official
from zoo.official.evidence.golden import golden, of, summary
from zoo.official.evidence.known import RELEASE, check_sources, differences
from zoo.official.format.tensor_bundle import TensorBundle, Variable, read_index
from zoo.official.mapping import Target, mapping
from zoo.registry import card as find_card
from zoo.weights.store import Store

ChannelOrder = Literal["RGB", "BGR"]

_SHADOW = "/ExponentialMovingAverage"
_SLOTS = ("Momentum", "RMSProp", "RMSProp_1", "ExponentialMovingAverage")
_COUNTERS = ("learning_rate", "global_step")
_STEM = "/stem/conv2d/kernel"


def load_tf(
    card_or_name: ModelCard | str,
    prefix: Path | str | TensorBundle,
    *,
    channel_order: ChannelOrder | None = None,
    ema: bool | None = None,
) -> dict[str, Tensor]:
    """The state dict of a model, float32, read from its official checkpoint.

    prefix:        path of the checkpoint without `.index`, or the checkpoint opened already.
    channel_order: order of the input channels that the checkpoint was trained with, by default
                   what the card says; the result always reads RGB.
    ema:           take the moving averages of the weights, all of them, instead of the weights;
                   by default what the card says.

    Raises `UsageError` if the model has no official checkpoint or there is none at `prefix`,
    `WeightsMismatch` if it is damaged, is not finite or is another model's.
    """
    card = find_card(card_or_name) if isinstance(card_or_name, str) else card_or_name
    return _convert(card, prefix, channel_order, ema)[0]


def import_checkpoint(
    name: str,
    prefix: Path | str,
    *,
    store: Store,
    channel_order: ChannelOrder | None = None,
    ema: bool | None = None,
    is_release: bool = False,
) -> Path:
    """Convert the official checkpoint at `prefix` and keep it in `store`; arguments as `load_tf`.

    is_release: refuse files that are not those which the package knows as the release's.

    The provenance holds the sha256 of the files and some logits on fixed images, all of which lie
    beside the weights; under "differences" it says in what these are not those of an earlier
    conversion.

    Returns the path of the stored weights. Raises what `load_tf` and `Store.put` raise.
    """
    card = find_card(name)
    _official(card)
    bundle = TensorBundle(prefix)
    files = bundle.digests()
    if is_release:
        check_sources(card, files)
    state, provenance = _convert(card, bundle, channel_order, ema)
    provenance["files"] = files
    found = golden(card, state)
    provenance["golden"] = summary(found)
    provenance["differences"] = differences(card.name, provenance, store)
    return store.put(card.name, state, provenance, golden=partial(of, found=found))


def check_index(card: ModelCard, path: Path, ema: bool | None = None) -> None:
    """Find out from the index alone, before the data is fetched, whether it is of `card`.

    Raises `WeightsMismatch` naming the first variable that is missing, strange or of another shape.
    """
    official = _official(card)
    n_shards, variables = read_index(path)
    if n_shards != 1:
        raise WeightsMismatch(f"{path} speaks of {n_shards} data files, and the release has one")
    network = _skeleton(card)
    _sources(card, network, official, path, variables, official.ema if ema is None else ema)


def _convert(
    card: ModelCard, prefix: Path | str | TensorBundle, channel_order: str | None, ema: bool | None
) -> tuple[dict[str, Tensor], dict[str, object]]:
    """(state dict, how it was made)."""
    official = _official(card)
    order = official.channel_order if channel_order is None else channel_order
    if order not in ("RGB", "BGR"):
        raise UsageError(f"channel order {order!r}: choose one of RGB, BGR")
    use_ema = official.ema if ema is None else ema
    bundle = prefix if isinstance(prefix, TensorBundle) else TensorBundle(prefix)
    network = _skeleton(card)
    sources, skipped = _sources(card, network, official, bundle.index, bundle.variables, use_ema)
    state = _state_dict(bundle, sources)
    if order == "BGR":
        stem = next(iter(sources.values())).key
        state[stem] = state[stem].flip(1)
    return _fitted(card, network, state), {
        "source": RELEASE,
        "prefix": bundle.prefix.name,
        "channel_order": {"checkpoint": order, "stored": "RGB"},
        "moving_averages": use_ema,
        "variables_used": len(sources),
        "variables_skipped": skipped,
    }


def _skeleton(card: ModelCard) -> nn.Module:
    with torch.device("meta"):
        return networks.build(card)


def _sources(
    card: ModelCard,
    network: nn.Module,
    official: Official,
    index: Path,
    variables: Mapping[str, Variable],
    use_ema: bool,
) -> tuple[dict[str, Target], dict[str, int]]:
    """(the variables to import and where they go, how many of each kind are left over)."""
    is_scoped = isinstance(network, EfficientNet)
    targets = mapping(network, _scope(official, variables) if is_scoped else "")
    sources = {name + _SHADOW * use_ema: target for name, target in targets.items()}
    _check_used(card, index, variables, sources)
    return sources, _check_leftovers(card, index, variables, sources, targets)


def _official(card: ModelCard) -> Official:
    if card.official is None:
        raise UsageError(
            f"{card.name} has no official TensorFlow checkpoint: only the ImageNet models of the"
            " release have one (sat-zoo list)"
        )
    return card.official


def _scope(official: Official, variables: Mapping[str, Variable]) -> str:
    """What stands before every name of an EfficientNet: the name of the model.

    The checkpoint itself is asked first: the scope of both L1 files is "efficientnet-bL1".
    """
    scopes = [name.removesuffix(_STEM) for name in variables if name.endswith(_STEM)]
    return f"{scopes[0] if scopes else official.prefix}/"


def _check_used(
    card: ModelCard, index: Path, variables: Mapping[str, Variable], sources: Mapping[str, Target]
) -> None:
    """Raises `WeightsMismatch` naming the first variable that the network needs and lacks."""
    missing = [name for name in sources if name not in variables]
    without = [name for name in missing if name.removesuffix(_SHADOW) in variables]
    if without:
        names = ", ".join(without[:3]) + " ..." * (len(without) > 3)
        raise WeightsMismatch(
            f"{index} lacks {len(without)} of the {len(sources)} moving averages to import"
            f" for {card.name}: {names}; weights and averages are never mixed: import the weights"
            " alone with `ema=False`"
        )
    for name, target in sources.items():
        wanted = f"the network needs float32 of shape {target.tf_shape}"
        problem = f"{index} is not a checkpoint of {card.name}: "
        found = variables.get(name)
        if found is None and name + _SHADOW in variables:
            raise WeightsMismatch(
                f"{problem}it holds only the moving average of {name}: import the averages with"
                " `ema=True`"
            )
        if found is None:
            raise WeightsMismatch(f"{problem}it has no {name}, {wanted}")
        if not target.accepts(found.shape) or found.dtype != "float32":
            raise WeightsMismatch(
                f"{problem}its {name} is {found.dtype} of shape {found.shape}, {wanted}"
            )


def _check_leftovers(
    card: ModelCard,
    index: Path,
    variables: Mapping[str, Variable],
    sources: Mapping[str, Target],
    targets: Mapping[str, Target],
) -> dict[str, int]:
    """Number of variables that are only left over from training, by kind.

    Raises `WeightsMismatch` naming the first variable that is neither these nor the network's.
    """
    kinds: Counter[str] = Counter()
    for name, variable in variables.items():
        owner, _, slot = name.rpartition("/")
        if name in sources:
            continue
        if name in _COUNTERS:
            kinds[name] += 1
        elif name in targets:
            kinds["weights"] += 1
        elif slot in _SLOTS and owner in targets:
            kinds[slot] += 1
        elif name.startswith("EMA/"):  # smoothed curves of the training log, not of the weights
            kinds["EMA"] += 1
        else:
            raise WeightsMismatch(
                f"{index} is not a checkpoint of {card.name}: it holds {name} of shape"
                f" {variable.shape}, which the network does not have"
            )
    return dict(kinds)


def _state_dict(bundle: TensorBundle, sources: Mapping[str, Target]) -> dict[str, Tensor]:
    state = {}
    for name, target in sources.items():
        values = bundle.read(name)
        if not np.isfinite(values).all():
            raise WeightsMismatch(f"{bundle.index}: {name} holds values that are not finite")
        state[target.key] = torch.from_numpy(target.convert(values))
    return state


def _fitted(card: ModelCard, network: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """`state` with batch counters, in the network's order, after a strict load."""
    expected = network.state_dict()
    for key in expected:
        if key.endswith("num_batches_tracked"):
            state[key] = torch.zeros((), dtype=torch.int64)
    try:
        network.load_state_dict(state, strict=True, assign=True)
    except RuntimeError as error:
        raise WeightsMismatch(f"{card.name}: the network refuses the weights: {error}") from error
    return {key: state[key] for key in expected}
