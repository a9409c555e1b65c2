"""Networks with random weights whose scores differ from image to image, as those of new ones do
not: norms that begin with zeros, or with statistics of other activations, leave a constant.
"""

from __future__ import annotations

import torch
from torch import nn

from models.quality_net import QualityNet, build_model


@torch.no_grad()
def random_network(
    arch: str, bins: int, size: tuple[int, int], images: torch.Tensor | None = None
) -> QualityNet:
    """In evaluation mode; its norms know the activations of `images`, float (N,3,*size) in [0,1],
    or of a few random ones. bins: of the head; with one, scores lie about 3, some 0.7 apart, as
    those of opinions from 1 to 5.
    """
    torch.manual_seed(0)
    model = build_model(arch, bins, size)
    for norm in model.modules():
        if isinstance(norm, nn.modules.batchnorm._BatchNorm):
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            norm.momentum = None  # the mean of all batches
    images = random_images(16, size) if images is None else images
    model.train()(images)
    model.eval()
    if bins == 1:
        scores = model(images).scores
        model.heads["quality"].set_scale(3 - 0.7 * float(scores.mean() / scores.std()),
                                         0.7 / float(scores.std()))  # fmt: skip
    return model


def random_images(count: int, size: tuple[int, int]) -> torch.Tensor:
    """(count,3,*size) in [0,1], darker and lighter ones."""
    return torch.rand(count, 3, 1, 1) * torch.rand(count, 3, *size)
