"""Residual networks for small pictures: 3x3 stem, no max-pool, basic blocks.

Source: He et al. 2016, arXiv 1512.03385, section 4.2 (CIFAR-10); the blocks are timm's, so the
state-dict keys are those of `timm.models.resnet.ResNet`.
"""

from typing import Any

from timm.layers.classifier import create_classifier
from timm.models import build_model_with_cfg
from timm.models.resnet import BasicBlock, make_blocks
from torch import Tensor, nn
from torch.nn import functional


class SmallResNet(nn.Module):
    """Stem, one stage of basic blocks per entry of `layers`, global average pool, linear layer.

    layers: number of blocks of each stage; every stage but the first halves height and width.
    width:  channels of the stem and the first stage; each further stage doubles them.
    act_layer: class of the activation, called as `act_layer(inplace=True)` at every site.
    drop_rate, drop_path_rate: dropout before the linear layer and stochastic depth, in training.

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
        channels = tuple(width * 2**stage for stage in range(len(layers)))
        stages, _ = make_blocks(
            (BasicBlock,) * len(layers),
            channels,
            layers,
            inplanes=width,
            act_layer=act_layer,
            norm_layer=nn.BatchNorm2d,
            drop_path_rate=drop_path_rate,
        )
        self.stages = [name for name, _ in stages]
        for name, stage in stages:
            self.add_module(name, stage)
        self.num_features = self.head_hidden_size = channels[-1]
        self.global_pool, self.fc = create_classifier(
            self.num_features, num_classes, pool_type=global_pool
        )
        self._init_weights()

    def _init_weights(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, BasicBlock):
                module.zero_init_last()

    def get_classifier(self) -> nn.Module:
        """The last linear layer; timm calls this."""
        head: nn.Module = self.fc
        return head

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


def small_resnet(variant: str, pretrained: bool, **kwargs: Any) -> nn.Module:
    """A `SmallResNet` the way timm builds networks, with `pretrained_cfg` attached."""
    network: nn.Module = build_model_with_cfg(SmallResNet, variant, pretrained, **kwargs)
    return network
