"""Residual networks for small pictures: 3x3 stem, no max-pool, basic blocks.

Source: He et al. 2016, arXiv 1512.03385, section 4.2 (CIFAR-10). State-dict keys, start and numbers
are those of blocks of `timm.models.resnet`; they stand here because importing timm takes longer
than importing torch, and than measuring the clean accuracy of such a network.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut, (B, n_in, H, W) to (B, n_out, H/stride, W/stride).

    drop_rate: of stochastic depth, in training.

    Source: He et al. 2016, arXiv 1512.03385, figure 2 and, for the shortcut, option B; computes
    what timm's `BasicBlock` does, in its order.
    """

    def __init__(
        self, n_in: int, n_out: int, stride: int, act_layer: type[nn.Module], drop_rate: float
    ) -> None:
        super().__init__()
        # Made first, as in timm, so that a seed gives the same start.
        downsample = _downsample(n_in, n_out, stride) if stride != 1 or n_in != n_out else None
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.act1 = act_layer(inplace=True)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.act2 = act_layer(inplace=True)
        self.downsample = downsample
        self.drop_path = _drop_path(drop_rate) if drop_rate > 0 else None

    def forward(self, x: Tensor) -> Tensor:
        """The sum of both ways, activated."""
        shortcut = x
        x = self.act1(self.bn1(self.conv1(x)))
        x = self.bn2(self.conv2(x))
        if self.drop_path is not None:
            x = self.drop_path(x)
        if self.downsample is not None:
            shortcut = self.downsample(shortcut)
        x += shortcut
        activated: Tensor = self.act2(x)
        return activated


class SmallResNet(nn.Module):
    """Stem, one stage of basic blocks per entry of `layers`, global average pool, linear layer.

    layers: number of blocks of each stage; every stage but the first halves height and width.
    width:  channels of the stem and the first stage; each further stage doubles them.
    act_layer: class of the activation, called as `act_layer(inplace=True)` at every site.
    drop_rate, drop_path_rate: dropout before the linear layer and stochastic depth, in training;
        the latter is 0 in the first block and rises from block to block to `drop_path_rate`.
    global_pool: "avg", or another pooling of timm's.

    timm's `ResNet` cannot express this: its stem has 64 channels whatever the width.
    """

    def __init__(
        self,
        layers: tuple[int, ...],
        width: int,
        *,
        num_classes: int = 10,
        in_chans: int = 3,
        act_layer: type[nn.Module] = nn.ReLU,
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
        global_pool: str = "avg",
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.in_chans = in_chans
        self.drop_rate = drop_rate
        self.conv1 = nn.Conv2d(in_chans, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.act1 = act_layer(inplace=True)
        self.stages = [f"layer{stage + 1}" for stage in range(len(layers))]
        n_channels, n_made = width, 0
        for stage, n_blocks in enumerate(layers):
            blocks = []
            for i in range(n_blocks):
                n_in, n_channels = n_channels, width * 2**stage
                stride = 2 if stage and i == 0 else 1
                rate = drop_path_rate * n_made / max(sum(layers) - 1, 1)
                blocks.append(BasicBlock(n_in, n_channels, stride, act_layer, rate))
                n_made += 1
            self.add_module(self.stages[stage], nn.Sequential(*blocks))
        self.num_features = self.head_hidden_size = n_channels
        self.global_pool, self.fc = _classifier(n_channels, num_classes, global_pool)
        self._init_weights()

    def _init_weights(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, BasicBlock):
                nn.init.zeros_(module.bn2.weight)

    def get_classifier(self) -> nn.Module:
        """The last linear layer; timm calls this."""
        return self.fc

    def forward_features(self, x: Tensor) -> Tensor:
        """(B, in_chans, H, W) to the last stage's maps (B, C, H / 2^(S-1), W / 2^(S-1))."""
        x = self.act1(self.bn1(self.conv1(x)))
        for name in self.stages:
            x = getattr(self, name)(x)
        return x

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Maps of the last stage to logits (B, num_classes), or to what the linear layer reads."""
        x = self.global_pool(x)
        if self.drop_rate:
            x = functional.dropout(x, self.drop_rate, self.training)
        return x if pre_logits else self.fc(x)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_chans, H, W), already normalised, to logits (B, num_classes)."""
        return self.forward_head(self.forward_features(x))


def _downsample(n_in: int, n_out: int, stride: int) -> nn.Sequential:
    convolution = nn.Conv2d(n_in, n_out, 1, stride=stride, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(n_out))


def _drop_path(rate: float) -> nn.Module:
    from timm.layers import DropPath  # only ever asked for by a training, which has timm

    dropped: nn.Module = DropPath(rate)
    return dropped


def _classifier(n_features: int, n_classes: int, pool: str) -> tuple[nn.Module, nn.Module]:
    if pool != "avg":
        from timm.layers.classifier import create_classifier

        made: tuple[nn.Module, nn.Module] = create_classifier(n_features, n_classes, pool_type=pool)
        return made
    head = nn.Linear(n_features, n_classes) if n_classes > 0 else nn.Identity()
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(1)), head
