"""The step of `refcolor.training.train`, with a clock read between its parts, and that clock.

A test holds both together: after the same steps the weights are the same, byte for byte.
"""

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benchmarks.material import first_networks
from refcolor.params import Params
from refcolor.training import losses
from refcolor.training.batch import make_batch
from refcolor.training.data import Pictures
from refcolor.training.device import memory_format
from refcolor.training.train import epoch_order, generator_terms, update_ema
from refcolor.training.vgg import VGGFeatures

PARTS = ("batch", "forward", "discriminator", "losses", "backward", "optimiser")


class TrainingStep:
    """One training step after another, all pictures being one batch."""

    def __init__(
        self, params: Params, *, pictures: Pictures, vgg: VGGFeatures, device: torch.device
    ) -> None:
        """params: all losses on; train.batch_size is not read."""
        self.params, self.pictures, self.device, self.done = params, pictures, device, 0
        self.generator, self.ema, self.discriminator = first_networks(params)
        for network in (self.generator, self.ema, self.discriminator):
            network.to(device=device, memory_format=memory_format(device))  # type: ignore[call-overload]
        self.generator.train(), self.discriminator.train()
        self.vgg = vgg.to(device=device, memory_format=memory_format(device))  # type: ignore[call-overload]
        self.random = torch.Generator().manual_seed(params.seed)
        self.optimizer_g, self.optimizer_d = (
            torch.optim.Adam(network.parameters(), lr=rate, betas=(0.5, 0.999), fused=True)
            for network, rate in (
                (self.generator, params.train.learning_rate_generator),
                (self.discriminator, params.train.learning_rate_discriminator),
            )
        )

    def compile(self, **options: str) -> None:
        """Let torch.compile make the passes of the three networks, with its options."""
        for network in (self.generator, self.discriminator, self.vgg):
            network.compile(**options)

    def __call__(self, lap: Callable[[str], None]) -> dict[str, float]:
        """Do a step; call `lap` with the name of each part that ends.

        Returns the raw loss terms.
        """
        params, random = self.params, self.random
        autocast = torch.autocast(
            self.device.type, dtype=torch.bfloat16, enabled=params.train.precision == "bf16"
        )
        chosen = epoch_order(self.done, len(self.pictures), seed=params.seed)
        batch = make_batch(self.pictures, chosen, params, random=random, device=self.device)
        lap("batch")
        with autocast:
            output = self.generator(sketch=batch.sketch, reference=batch.reference)
        lap("forward")
        with autocast:
            real = self.discriminator(picture=batch.target, sketch=batch.sketch)
            fake = self.discriminator(picture=output.picture.detach(), sketch=batch.sketch)
        terms: dict[str, Tensor] = {"discriminator": losses.adversarial_discriminator(real, fake)}
        self.optimizer_d.zero_grad(set_to_none=True)
        terms["discriminator"].backward()  # type: ignore[no-untyped-call]
        lap("discriminator")
        self.optimizer_d.step()
        lap("optimiser")
        with autocast:
            generator = generator_terms(
                params.loss,
                output,
                batch,
                discriminator=self.discriminator,
                vgg=self.vgg,
            )
        terms |= generator
        weights = params.loss.weights
        total = sum(weights[name] * term for name, term in generator.items())
        lap("losses")
        self.optimizer_g.zero_grad(set_to_none=True)
        total.backward()
        lap("backward")
        self.optimizer_g.step()
        self.done += 1
        count = len(self.pictures)
        update_ema(
            self.ema,
            self.generator,
            half_life=params.train.ema_half_life,
            images=self.done * count,
            batch_size=count,
        )
        values = torch.stack([term.detach().float() for term in terms.values()]).tolist()
        lap("optimiser")
        return dict(zip(terms, values, strict=True))


class Clock:
    """Seconds of named parts, taken on the device without making it wait."""

    def __init__(self, device: torch.device) -> None:
        """The clock starts now."""
        self._cuda = device.type == "cuda"
        self._marks: list[tuple[str, Any]] = [("", self._now())]

    def lap(self, name: str) -> None:
        """End a part."""
        self._marks.append((name, self._now()))

    def seconds(self) -> dict[str, float]:
        """Wait for the device; give the seconds of each part, parts of one name added up."""
        if self._cuda:
            torch.cuda.synchronize()
        sums: dict[str, float] = {}
        for (_, start), (name, end) in zip(self._marks, self._marks[1:], strict=False):
            passed = start.elapsed_time(end) / 1e3 if self._cuda else end - start
            sums[name] = sums.get(name, 0.0) + passed
        return sums

    def _now(self) -> Any:
        if not self._cuda:
            return time.perf_counter()
        event: Any = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event
