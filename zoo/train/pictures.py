"""Training pictures in files: class folders, WebDataset shards, the Hub's parquet; decoded ahead.

Worker processes decode and augment while the network trains. What happens to a picture depends on
the seed, the epoch and the picture alone, not on the number of workers or on where a run resumed.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from eval.attacks.random import image_key
from eval.data import ImageSet
from eval.data.files import PictureSource, picture_set
from eval.data.parquet import list_parquet
from eval.data.pictures import open_picture, to_rgb
from eval.data.stores import ArchiveStore, Store, is_picture, list_folder, list_tars, only
from eval.errors import DataError
from zoo.cards import ModelCard
from zoo.preprocess import for_card
from zoo.train.recipe import Recipe

_SHARD = re.compile(r".*train.*\.tar")
_SYNSET = re.compile(r"n\d{8}")
_LAYOUTS = "train/CLASS/*.JPEG, *train*.tar with .jpg and .cls, or train-*.parquet"
