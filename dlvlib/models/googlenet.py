"""GoogLeNet: nine Inception blocks between a convolutional stem and one dense layer.

Source: Szegedy et al. (2015), "Going deeper with convolutions", table 1 and section 5,
https://doi.org/10.1109/CVPR.2015.7298594
"""

from collections import OrderedDict

from torch import Tensor, nn

from dlvlib.models.blocks import Classifier, Inception, conv_block, init_he, pooled_head

WIDTHS = {  # 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


class InceptionNet(Classifier):
    """What GoogLeNet and its small variant share: a forward pass with auxiliary logits.

    `.aux` maps the name of a stage to the auxiliary head that reads its output; it is empty in a
    network without auxiliary heads.
    """

    aux: nn.ModuleDict
    aux_min_size: int

    def forward_with_aux(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Logits of the head, and of each auxiliary head in order of depth; for training.

        The paper adds each auxiliary loss with weight 0.3.

        Raises:
            ValueError: as `forward`; if there are no auxiliary heads; if the images are too small
                for them.
        """
        self.check_images(images)
        if not self.aux:
            raise ValueError(f"{self.name} has no auxiliary heads: build it with aux=True")
        if min(images.shape[2:]) < self.aux_min_size:
            raise ValueError(
                f"images must be at least {self.aux_min_size}x{self.aux_min_size} for the "
                f"auxiliary heads of {self.name}, got {images.shape[2]}x{images.shape[3]}"
            )
        maps, aux_logits = images, []
        for name, stage in self.features.named_children():
            maps = stage(maps)
            if name in self.aux:
                aux_logits.append(self.aux[name](maps))
        return self.head(maps), aux_logits


class GoogLeNet(InceptionNet):
    """22 layers with weights and true 5x5 branches (6,998,552 parameters at 1,000 classes).

    With both auxiliary heads 13,378,280. torchvision's network differs: its "5x5" branch is 3x3,
    and batch normalisation replaces the biases. The paper names no initialisation; He's keeps the
    maps alive through the layers. Nor does it give the constants of its local response
    normalisation; ours are PyTorch's defaults.

    Args:
        aux: add the auxiliary heads after 4a and 4d; only `forward_with_aux` uses them.

    Shape:
        images: (B, in_channels, H, W) float, 224x224 in the paper, at least 31x31, and 79x79 for
            `forward_with_aux`
    """

    aux_min_size = 79

    def __init__(
        self, num_classes: int = 1000, in_channels: int = 3, *, aux: bool = False
    ) -> None:
        super().__init__("googlenet", num_classes, in_channels, min_size=31)
        stem = nn.Sequential(
            conv_block(in_channels, 64, 7, stride=2, padding=3),  # (B, 64, 112, 112)
            nn.MaxPool2d(3, stride=2, ceil_mode=True),  # (B, 64, 56, 56)
            nn.LocalResponseNorm(5),
            conv_block(64, 64, 1),
            conv_block(64, 192, 3, padding=1),  # (B, 192, 56, 56)
            nn.LocalResponseNorm(5),
            nn.MaxPool2d(3, stride=2, ceil_mode=True),  # (B, 192, 28, 28)
        )
        self.features = nn.Sequential(OrderedDict(stem=stem, **inception_stages(192)))
        self.head = pooled_head(1024, num_classes, dropout=0.4)
        widths = {"inception4a": 512, "inception4d": 528} if aux else {}
        self.aux = nn.ModuleDict({k: aux_head(w, num_classes) for k, w in widths.items()})
        init_he(self)


class GoogLeNetSmall(InceptionNet):
    """Ours, for 32x32 images: GoogLeNet's nine blocks at a quarter of the width.

    378,946 parameters at 10 classes and 30.3 million multiply-accumulates (ResNet-20: 40.6). The
    stem does not stride and pools once, so that the blocks see 16x16, 8x8 and 4x4 maps. Batch
    normalisation replaces local response normalisation; He initialisation.

    Args:
        aux: add auxiliary heads after 4a and 4d; only `forward_with_aux` uses them.

    Shape:
        images: (B, in_channels, H, W) float, meant for 32x32, at least 8x8
    """

    aux_min_size = 8

    def __init__(self, num_classes: int = 10, in_channels: int = 3, *, aux: bool = False) -> None:
        super().__init__("googlenet_small", num_classes, in_channels, min_size=8)
        stem = nn.Sequential(
            conv_block(in_channels, 16, 3, padding=1, batch_norm=True),  # (B, 16, 32, 32)
            conv_block(16, 16, 1, batch_norm=True),
            conv_block(16, 48, 3, padding=1, batch_norm=True),  # (B, 48, 32, 32)
            nn.MaxPool2d(3, stride=2, ceil_mode=True),  # (B, 48, 16, 16)
        )
        stages = inception_stages(48, divisor=4, batch_norm=True)
        self.features = nn.Sequential(OrderedDict(stem=stem, **stages))
        self.head = pooled_head(256, num_classes, dropout=0.4)
        widths = {"inception4a": 128, "inception4d": 132} if aux else {}
        self.aux = nn.ModuleDict({k: small_aux_head(w, num_classes) for k, w in widths.items()})
        init_he(self)


def inception_stages(
    in_channels: int, *, divisor: int = 1, batch_norm: bool = False
) -> dict[str, nn.Module]:
    """The nine Inception blocks, 3a to 5b, with a max pooling after 3b and after 4e."""
    stages: dict[str, nn.Module] = {}
    for name, widths in WIDTHS.items():
        block = Inception(in_channels, *(w // divisor for w in widths), batch_norm=batch_norm)
        stages[f"inception{name}"] = block
        in_channels = block.out_channels
        if name in ("3b", "4e"):
            stages[f"pool{name[0]}"] = nn.MaxPool2d(3, stride=2, ceil_mode=True)
    return stages


def aux_head(in_channels: int, num_classes: int) -> nn.Sequential:
    """A classifier on 14x14 maps in the middle of GoogLeNet."""
    return nn.Sequential(
        nn.AvgPool2d(5, stride=3),  # (B, in_channels, 4, 4)
        nn.AdaptiveAvgPool2d(4),  # changes nothing at 224x224, admits other sizes
        conv_block(in_channels, 128, 1),
        nn.Flatten(),  # (B, 2048)
        nn.Linear(2048, 1024),
        nn.ReLU(),
        nn.Dropout(0.7),
        nn.Linear(1024, num_classes),
    )


def small_aux_head(in_channels: int, num_classes: int) -> nn.Sequential:
    """The same on 8x8 maps, at a quarter of the width."""
    return nn.Sequential(
        nn.AdaptiveAvgPool2d(4),  # (B, in_channels, 4, 4)
        conv_block(in_channels, 32, 1, batch_norm=True),
        nn.Flatten(),  # (B, 512)
        nn.Linear(512, 256),
        nn.ReLU(),
        nn.Dropout(0.7),
        nn.Linear(256, num_classes),
    )
