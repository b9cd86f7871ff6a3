"""The clean pass: every image once through the untouched model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eval.checks import check_logits, check_pixels
from eval.data import ImageSet
from eval.engine.batching import WithinMemory
from eval.engine.classifier import Classifier
from eval.engine.heap import freed_memory_kept
from eval.verify import predict

N_RANKED = 20
"""Wrong classes remembered for each image: the targets of targeted attacks, and
what `eval.attacks.targets` chooses among."""


@dataclass(frozen=True)
class CleanPass:
    """What the model says of N images.

    answers: (N,) its classes. is_right: (N,) bool. ranking: (N, R), the classes other than the
    label by falling logit. n_classes: how many logits it returns.
    """

    answers: NDArray[np.int64]
    is_right: NDArray[np.bool_]
    ranking: NDArray[np.unsignedinteger]
    n_classes: int


@freed_memory_kept()
def clean_pass(
    model: Classifier,
    data: ImageSet,
    name: str,
    device: torch.device,
    memory: WithinMemory,
    on_batch: Callable[[int, int], None],
) -> CleanPass:
    """Classify every image; on_batch: told how many are done, and how many of these are right.

    Raises `ModelError` for logits that are none, `DataError` for pixels outside [0, 1].
    """
    answers: list[NDArray[np.int64]] = []
    rankings: list[NDArray[np.unsignedinteger]] = []
    n_done, n_right, n_classes = 0, 0, 0
    for batch in data.batches(memory.batch_size):
        x = batch.x.to(device)
        logits = memory.in_pieces(lambda part: predict(model, part).cpu(), x)
        check_logits(logits, len(x), name)
        check_pixels(batch, data.name)
        n_classes = logits.shape[1]
        rankings.append(ranked(logits, batch.y))
        answers.append(logits.argmax(1).numpy())
        n_done += len(batch)
        n_right += int((logits.argmax(1) == batch.y).sum())
        on_batch(n_done, n_right)
    answered = np.concatenate(answers)
    return CleanPass(answered, answered == data.labels, np.concatenate(rankings), n_classes)


def ranked(logits: Tensor, y: Tensor) -> NDArray[np.unsignedinteger]:
    """(N, R): the classes other than the labels y (N,) by falling logit (N, K), at most 20."""
    n_classes = logits.shape[1]
    wrong_only = logits.scatter(1, y[:, None], -torch.inf)
    top = wrong_only.topk(min(N_RANKED, n_classes - 1), dim=1).indices
    ranking: NDArray[np.unsignedinteger] = top.numpy().astype(np.min_scalar_type(n_classes - 1))
    return ranking
