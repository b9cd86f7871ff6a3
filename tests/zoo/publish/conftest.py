from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import zoo


@pytest.fixture
def random_weights(tmp_path: Path) -> Callable[[str], Path]:
    """Writes random weights of a model, with the statistics of its batch norms random too."""

    def write(name: str) -> Path:
        path = tmp_path / f"{name}.safetensors"
        with torch.random.fork_rng():
            torch.manual_seed(1)
            state = zoo.load(name, pretrained=False).net.state_dict()
            for key, tensor in state.items():
                if key.endswith("running_var"):
                    tensor.uniform_(0.5, 2.0)
        save_file(state, path)
        return path

    return write
