"""The method in plain code, as public copies of it are written: what speed is compared with.

`PlainStep`: networks, first weights, batches and losses are refcolor's own; the step is not. Two
generator passes a step, VGG's weights not frozen, features of the target with a gradient, the
discriminator not frozen in the generator's step; fp32, contiguous tensors, torch's default Adam.
Kinder than most copies: the graph of the first pass is let go before the second, and there is no
moving average.

`xdog_by_pixels` and `warp_alone`: the two libraries that public copies prepare their pictures with,
heitorrapela/xdog (`xdog_garygrossi`) and cheind/py-thin-plate-spline (`thinplate.numpy`). What they
do and in which order is theirs, on double-precision arrays; borders, kernel sizes and the places of
pixels are refcolor's, so that both give the same pictures (a test compares them). Kinder than the
first, whose sketches are made from 8-bit blurs with a kernel 50 times as wide.
"""

from collections.abc import Callable
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.material import first_networks
from refcolor.io.image import Unit
from refcolor.lines.sketch import TRUNCATE, XDoGSettings
from refcolor.model.generator import Output
from refcolor.params import Params
from refcolor.training import augment, losses
from refcolor.training.batch import Batch, make_batch
from refcolor.training.data import Pictures
from refcolor.training.train import epoch_order
from refcolor.training.vgg import VGGFeatures

Double: TypeAlias = npt.NDArray[np.float64]


class PlainStep:
    """One training step after another, on the same pictures and in the same order as `train`."""

    def __init__(
        self, params: Params, *, pictures: Pictures, vgg: VGGFeatures, device: torch.device
    ) -> None:
        """vgg: kept and woken, so it must not be anyone else's."""
        self.params, self.pictures, self.device, self.done = params, pictures, device, 0
        generator, _, discriminator = first_networks(params)
        self.generator, self.discriminator = generator.to(device), discriminator.to(device)
        self.vgg = vgg.to(device).requires_grad_(True)
        self.random = torch.Generator().manual_seed(params.seed)
        self.optimizer_g, self.optimizer_d = (
            torch.optim.Adam(network.parameters(), lr=rate, betas=(0.5, 0.999))
            for network, rate in (
                (self.generator, params.train.learning_rate_generator),
                (self.discriminator, params.train.learning_rate_discriminator),
            )
        )

    def __call__(self, lap: Callable[[str], None]) -> dict[str, float]:
        """Do a step on all pictures; call `lap` with the name of each part that ends.

        Returns the raw loss terms.
        """
        chosen = epoch_order(self.done, len(self.pictures), seed=self.params.seed)
        batch = make_batch(
            self.pictures, chosen, self.params, random=self.random, device=self.device
        )
        sketch, reference = batch.sketch.contiguous(), batch.reference.contiguous()
        target = batch.target.contiguous()
        lap("batch")
        terms = {"discriminator": self._discriminator_loss(sketch, reference, target)}
        self.optimizer_d.zero_grad()
        terms["discriminator"].backward()  # type: ignore[no-untyped-call]
        lap("discriminator")
        self.optimizer_d.step()
        lap("optimiser")
        output = self.generator(sketch=sketch, reference=reference)
        lap("forward")
        verdict = self.discriminator(picture=output.picture, sketch=sketch)
        found, wanted = self.vgg(output.picture), self.vgg(target)
        terms |= {
            "reconstruction": losses.reconstruction(output.picture, target),
            "adversarial": losses.adversarial_generator(verdict),
            "perceptual": sum(map(F.l1_loss, found, wanted)),
            "style": losses.style(found[-1], wanted[-1]),
            "triplet": self._triplet(output, batch),
        }
        weights = self.params.loss
        total = (
            weights.reconstruction * terms["reconstruction"]
            + weights.adversarial * terms["adversarial"]
            + weights.perceptual * terms["perceptual"]
            + weights.style * terms["style"]
            + weights.triplet * terms["triplet"]
        )
        lap("losses")
        self.optimizer_g.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        lap("backward")
        self.optimizer_g.step()
        self.done += 1
        values = {name: term.item() for name, term in terms.items()}
        lap("optimiser")
        return values

    def _discriminator_loss(self, sketch: Tensor, reference: Tensor, target: Tensor) -> Tensor:
        output = self.generator(sketch=sketch, reference=reference)
        real = self.discriminator(picture=target, sketch=sketch)
        fake = self.discriminator(picture=output.picture.detach(), sketch=sketch)
        return losses.adversarial_discriminator(real, fake)

    def _triplet(self, output: Output, batch: Batch) -> Tensor:
        logits, (cells,) = output.logits, output.key_cells
        match = augment.known_match(
            batch.warped.grid, batch.warped.valid, cells=cells, query_cells=output.cells
        )
        negative = losses.choose_negatives(match, batch.negatives, cells=cells)
        return losses.triplet(logits, match, negative, margin=self.params.loss.margin)


def xdog_by_pixels(gray: Unit, settings: XDoGSettings) -> Double:
    """Draw line art with OpenCV's blurs and a threshold in Python loops.

    gray: (H, W) float32 in [0, 1].  Returns (H, W) float64 in [0, 1].
    """
    p = settings.sharpness
    wide = _blurred(gray, settings.k * settings.sigma)
    lines = (1 + p) * _blurred(gray, settings.sigma) - p * wide
    for i in range(lines.shape[0]):
        for j in range(lines.shape[1]):
            if lines[i, j] >= settings.epsilon:
                lines[i, j] = 1
            else:
                tone = np.tanh(settings.phi * (lines[i][j] - settings.epsilon))
                lines[i][j] = 1 + tone
    return lines


def warp_alone(picture: Unit, displacement: Double, *, mirrored: bool) -> Unit:
    """Bend one picture: fit a spline for each axis, evaluate both at every pixel, remap.

    picture: (H, W, C) float32. displacement: (P, 2) of a square grid of P control points, xy in
    [-1, 1] units, as in `refcolor.training.augment.Warps`.  Returns (H, W, C) float32.
    """
    height, width = picture.shape[:2]
    line = np.linspace(-1, 1, round(len(displacement) ** 0.5))
    control = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    x, y = np.meshgrid(
        (2 * np.arange(width) + 1) / width - 1, (2 * np.arange(height) + 1) / height - 1
    )
    places = np.hstack([x.reshape(-1, 1), y.reshape(-1, 1)])
    of_x, of_y = (_fitted(control, displacement[:, axis]) for axis in (0, 1))
    x = x + _evaluated(places, control, of_x).reshape(height, width)
    y = y + _evaluated(places, control, of_y).reshape(height, width)
    x = -x if mirrored else x
    map_x = (((x + 1) * width - 1) / 2).astype(np.float32)
    map_y = (((y + 1) * height - 1) / 2).astype(np.float32)
    bent = cv2.remap(picture, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(bent, np.float32)


def _blurred(gray: Unit, sigma: float) -> Double:
    size = 2 * int(TRUNCATE * sigma + 0.5) + 1
    blurred = cv2.GaussianBlur(gray, (size, size), sigma, borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(blurred, np.float64)


def _fitted(control: Double, moved: Double) -> Double:
    """Solve for the weights of a spline: those of the control points, then 1, x, y."""
    count = len(control)
    affine = np.hstack([np.ones((count, 1)), control])
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = _radial(control, control)
    system[:count, -3:] = affine
    system[-3:, :count] = affine.T
    return np.linalg.solve(system, np.concatenate([moved, np.zeros(3)]))


def _evaluated(places: Double, control: Double, weights: Double) -> Double:
    bending = np.dot(_radial(places, control), weights[:-3])
    return weights[-3] + weights[-2] * places[:, 0] + weights[-1] * places[:, 1] + bending


def _radial(a: Double, b: Double) -> Double:
    distance = np.sqrt(np.square(a[:, None] - b[None]).sum(-1))
    return distance**2 * np.log(distance + 1e-6)
