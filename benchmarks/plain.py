"""The method in plain PyTorch, as public copies of it are written: what speed is compared with.

Networks, first weights, tasks and losses are refcolor's own; the step is not. Two generator passes
a step, VGG's weights not frozen, features of the target with a gradient, the discriminator not
frozen in the generator's step; fp32, contiguous tensors, torch's default Adam. Kinder than most
copies: the graph of the first pass is let go before the second, and there is no moving average.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.material import first_networks
from refcolor import augment, losses
from refcolor.data import Pictures
from refcolor.features.vgg import VGGFeatures
from refcolor.params import Params
from refcolor.task import Task, make_task
from refcolor.train import epoch_order


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
        task = make_task(self.pictures, chosen, self.params, random=self.random, device=self.device)
        sketch, reference = task.sketch.contiguous(), task.reference.contiguous()
        target = task.target.contiguous()
        lap("task")
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
            "triplet": self._triplet(output.logits, task, output.cells),
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

    def _triplet(self, logits: Tensor, task: Task, cells: tuple[int, int]) -> Tensor:
        match = augment.known_match(task.warped.grid, task.warped.valid, cells=cells)
        negative = losses.draw_negatives(match, cells=cells, generator=self.random)
        return losses.triplet(logits, match, negative, margin=self.params.loss.margin)
