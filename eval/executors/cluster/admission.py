"""Whether a worker is one of this run: what it says and computes beside the driver's own."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from eval.engine.contract import OTHER_KERNELS, probe_images
from eval.executors.cluster.travel import ImagesParcel, ModelParcel
from eval.executors.cluster.wire import Assignment
from eval.executors.cluster.worker import code_sha256
from eval.verify import predict

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from eval.engine.classifier import Classifier
    from eval.engine.engine import Precision
    from eval.executors.cluster.travel import Factory
    from eval.executors.cluster.wire import Opened, Prepared, WorkerProfile
    from eval.request import Request

Search = Literal["fp32", "bf16"]


@dataclass(eq=False)
class Admission:
    """What a worker must agree with.

    assignment: as it goes to workers. weights: the model's digest. ids: of the images.
    logits: (P, K), the driver's own, of the probe images; varies: by how much they differ from pass
    to pass. is_coarse: computed with few bits of mantissa, on one side or the other.
    precision: asked for; the first worker decides on "auto", and the others follow.
    """

    assignment: Any
    weights: str
    ids: tuple[str, ...]
    logits: NDArray[np.float32]
    varies: float
    is_coarse: bool
    precision: Precision
    batch_size: int | None
    first: Prepared | None = field(default=None)

    @classmethod
    def of(
        cls,
        model: Classifier,
        request: Request,
        device: str,
        dumps: Callable[[object], bytes],
        put: Callable[[object], object],
        made_by: Factory | None = None,
    ) -> Admission:
        """Of a run, for workers on `device`.

        model: untouched, in this process, on the CPU. dumps, made_by: see `ModelParcel.of`.
        put: see `Transport.put`.
        """
        probes = probe_images(request.data, torch.device("cpu"))
        logits, again = predict(model, probes), predict(model, probes)
        assignment = Assignment(
            model=ModelParcel.of(model.model, made_by, dumps),
            images=ImagesParcel.of(request.data),
            each=request.data.prints.each,
            name=request.name,
            threat=request.threat,
            protocol=request.protocol,
            seed=request.seed,
            device=device,
            allow_probabilities=request.allow_probabilities,
            keeps_images=request.keeps_images,
            interacts=model.contract.interacts,
        )
        half = model.contract.dtype in {torch.float16, torch.bfloat16}
        return cls(
            assignment=put(assignment),
            weights=assignment.model.weights_sha256,
            ids=request.data.ids,
            logits=logits.numpy(),
            varies=float((logits - again).abs().max()),
            is_coarse=half or device == "cuda",
            precision=request.precision,
            batch_size=request.batch_size,
        )

    def refuses(self, who: WorkerProfile) -> str:
        """Why a worker cannot be one of this run, by what it says of itself; "" if it can."""
        mine = (platform.python_version(), version("sat-zoo"))
        if (who.python, who.version) != mine:
            return (
                f"it runs Python {who.python} with sat-zoo {who.version}, the driver Python"
                f" {mine[0]} with sat-zoo {mine[1]}: install the same on each machine"
            )
        if who.code_sha256 != code_sha256():
            return (
                f"its sat-zoo {who.version} has other source files"
                f" ({who.code_sha256[:12]} instead of {code_sha256()[:12]}): install the same on"
                " each machine"
            )
        return ""

    def disagrees(self, opened: Opened) -> str:
        """How its logits are others than the driver's; "" if they are the same."""
        got = opened.logits
        if got.shape != self.logits.shape:
            return f"its logits have shape {got.shape}, the driver's {self.logits.shape}"
        spread = max(float(self.logits.std()), 1e-6)
        apart = float(np.abs(got - self.logits).max())
        if not apart <= OTHER_KERNELS[self.is_coarse] * spread + 4 * self.varies:  # NaN too
            return (
                f"its logits differ from the driver's by up to {apart:.2g} (their spread is"
                f" {spread:.2g}): it computes something else; compare the versions of torch and of"
                " what the model is made of"
            )
        return ""

    @property
    def how(self) -> tuple[Precision, int | None]:
        """Precision and batch size, for `Worker.look`."""
        return (self.first.precision if self.first else self.precision), self.batch_size

    def takes(self, ready: Prepared) -> str:
        """Note the first one that is ready; why another one does not go with it, or ""."""
        if self.first is None:
            self.first = ready
        if ready.precision != self.first.precision:
            return (
                f"it searches in {ready.precision}, the others in {self.first.precision}: give"
                f" `precision='{ready.precision}'` for all, or leave out such machines"
            )
        return ""
