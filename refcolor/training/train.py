"""Training as one straight function: set-up, the discriminator and generator steps, reports."""

import csv
import math
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import compress
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from refcolor.errors import RefcolorError
from refcolor.io import image
from refcolor.model.discriminator import Discriminator
from refcolor.model.generator import Generator, Output, build_generator
from refcolor.params import LossParams, Params
from refcolor.training import augment, losses
from refcolor.training.batch import Batch, make_batch
from refcolor.training.checkpoint import (
    DISCRIMINATOR,
    GENERATOR,
    StateFile,
    load_weights,
    save_model,
)
from refcolor.training.data import Pictures
from refcolor.training.device import memory_format, set_numerics
from refcolor.training.distributed import SINGLE_PROCESS, Processes
from refcolor.training.overlap import Readback, ahead, overlaps
from refcolor.training.tracker import Tracker
from refcolor.training.vgg import load_vgg

PREVIEWS = 8  # rows of a preview sheet
VALIDATION_PICTURES = 64  # at most, in the validation batch
DIVERGENCE_ADVICE = (
    "the last good state is kept. Lower the learning rate or the weight of a loss, or set "
    "train.precision: fp32"
)
TIMED_STEPS = 20  # first steps, whose duration gives the remaining time
SPEED_WINDOW = 30.0  # seconds over which the speed of later steps is measured
EMA_WARM_UP = 0.1  # the half-life is at most this share of the pictures seen so far


@dataclass(frozen=True)
class Folders:
    """Where training writes."""

    models: Path
    curves: Path
    previews: Path


def train(
    params: Params,
    *,
    pictures: Pictures,
    validation: Pictures,
    folders: Folders,
    state_file: StateFile,
    tracker: Tracker,
    device: torch.device,
    processes: Processes = SINGLE_PROCESS,
) -> dict[str, float]:
    """Train a generator and write its model, curves and previews.

    params: the whole params.yaml; training reads seed, augment, model, loss and train.
    pictures, validation: the two sides of the split, one size for all pictures; training reduces
    them to `train.resolution`.
    folders: model, curves and previews are written there when the training ends.
    state_file: the state that the training resumes from, and saves on the way.
    tracker: receives losses and previews; a NullTracker in every rank but the first.
    device: of this rank. processes: the ranks of the training; each step is the same computation
    for any number of them, up to rounding.

    Returns the number of steps and images and the last row of the curves; {} except in rank 0.
    Raises RefcolorError for a loss or weight that is NaN or infinite, and for fewer pictures than
    ranks.
    """
    numerics = set_numerics(device, precision=params.train.precision, training=True)
    tracker.tags({f"numerics.{name}": value for name, value in asdict(numerics).items()})
    if numerics.precision != params.train.precision:
        processes.log(
            f"train.precision is {params.train.precision}, but this {device.type} only emulates "
            f"it, which is slower than {numerics.precision}: the training uses {numerics.precision}"
        )

    # The seed decides the initial weights; every later draw comes from the generator `random`.
    torch.set_num_threads(params.train.threads)
    torch.manual_seed(params.seed)
    random = torch.Generator().manual_seed(params.seed)
    generator, ema = build_generator(params.model), build_generator(params.model)
    discriminator = Discriminator(params.model)
    load_init(Path(params.train.init), generator=generator, discriminator=discriminator)
    ema.load_state_dict(generator.state_dict())
    ema.requires_grad_(False).eval()
    networks: tuple[nn.Module, ...] = (generator, discriminator, ema)
    order = memory_format(device)
    for network in networks:
        network.to(device=device, memory_format=order)  # type: ignore[call-overload]
        processes.broadcast_weights(network)
    vgg = None
    if params.loss.perceptual or params.loss.style:
        vgg = processes.first_rank_first(load_vgg)
        vgg.to(device=device, memory_format=order)  # type: ignore[call-overload]
    optimizers = [
        torch.optim.Adam(network.parameters(), lr=rate, betas=(0.5, 0.999), fused=True)
        for network, rate in (
            (generator, params.train.learning_rate_generator),
            (discriminator, params.train.learning_rate_discriminator),
        )
    ]
    optimizer_g, optimizer_d = optimizers
    loss_weights = params.loss.weights
    autocast = torch.autocast(
        device.type, dtype=torch.bfloat16, enabled=numerics.precision == "bf16"
    )

    if params.augment.other_reference and not pictures.members:
        processes.log(
            f"augment.other_reference is {params.augment.other_reference}, but no group has two of "
            f"the {len(pictures)} training pictures: each is its own reference"
        )

    # An epoch is a number of full batches; fewer pictures than a batch make one smaller batch.
    batch_size = min(
        params.train.batch_size, len(pictures) // processes.world_size * processes.world_size
    )
    if not batch_size:
        raise RefcolorError(
            f"train.processes is {processes.world_size}, but there are only {len(pictures)} "
            "pictures to train on; each process needs one, so lower it"
        )
    steps_per_epoch = len(pictures) // batch_size
    total_steps = params.train.epochs * steps_per_epoch

    # Rank 0 reads the state of an interrupted run, if there is one, and broadcasts it.
    first_step, rows, sums = load_state(
        state_file,
        total_steps=total_steps,
        random=random,
        networks=networks,
        optimizers=optimizers,
        processes=processes,
    )

    # The validation batch is fixed for the whole run, so that losses and previews are comparable.
    validation = validation.at_size(params.training_size)
    validation_batch = make_batch(
        validation,
        torch.arange(min(VALIDATION_PICTURES, len(validation))),
        params.model_copy(update={"augment": params.augment.plain}),
        random=torch.Generator().manual_seed(0),
        device=device,
    )
    for row in rows:
        tracker.scalars(int(row["step"]), {k: v for k, v in row.items() if k != "step"})

    batches = draw_batches(
        range(first_step, total_steps),
        pictures,
        params,
        batch_size=batch_size,
        random=random,
        device=device,
        processes=processes,
    )
    if overlaps(device):
        batches = ahead(batches, device=device)
    readback, steps_read = Readback(), first_step
    generator.train(), discriminator.train()
    bar = tqdm(
        range(first_step, total_steps),
        initial=first_step,
        total=total_steps,
        desc="train",
        unit="step",
        disable=not processes.is_first_rank,
    )
    step_seconds, timer_start, timer_step = math.inf, time.monotonic(), first_step
    for step in bar:
        # Estimate the remaining time from the first steps; warn once if the speed halves later.
        now, timed_steps = time.monotonic(), step - timer_step
        if step - first_step == TIMED_STEPS:
            step_seconds = (now - timer_start) / timed_steps
            processes.log(f"about {step_seconds * (total_steps - step) / 60:.0f} minutes left")
            timer_start, timer_step = now, step
        elif math.isfinite(step_seconds) and now - timer_start >= SPEED_WINDOW:
            if (now - timer_start) / timed_steps > 2 * step_seconds:
                speed = timed_steps / (now - timer_start)
                processes.log(
                    f"training slowed to {speed:.2g} steps/s, less than half of the "
                    f"{1 / step_seconds:.2g} of its first steps; does another program use the "
                    f"processors? About {(total_steps - step) / speed / 60:.0f} minutes left"
                )
                step_seconds = math.inf
            timer_start, timer_step = now, step

        # The learning rates are a function of epoch and step.
        epoch = step // steps_per_epoch
        half_life = params.train.learning_rate_half_life
        decay = 0.5 ** (epoch / half_life) if half_life else 1.0
        if params.train.cool_down:
            decay *= min(1.0, max(0.05, (1 - step / total_steps) / params.train.cool_down))
        optimizer_g.param_groups[0]["lr"] = params.train.learning_rate_generator * decay
        optimizer_d.param_groups[0]["lr"] = params.train.learning_rate_discriminator * decay

        # The batch, and the state of `random` after it, which a run that resumes behind it needs.
        batch, random_state = next(batches)

        # Both steps use the same forward pass of the generator.
        with autocast:
            output: Output = generator(sketch=batch.sketch, reference=batch.reference)

        # Discriminator step.
        logged: dict[str, Tensor] = {}
        if params.loss.adversarial:
            with autocast:
                real = discriminator(picture=batch.target, sketch=batch.sketch)
                fake = discriminator(picture=output.picture.detach(), sketch=batch.sketch)
            logged["discriminator"] = losses.adversarial_discriminator(real, fake)
            optimizer_d.zero_grad(set_to_none=True)
            logged["discriminator"].backward()  # type: ignore[no-untyped-call]
            processes.average_gradients(discriminator)
            optimizer_d.step()

        # Generator step.
        with autocast:
            terms = generator_terms(
                params.loss,
                output,
                batch,
                discriminator=discriminator,
                vgg=vgg,
                processes=processes,
            )
        total = sum(loss_weights[name] * term for name, term in terms.items())
        assert isinstance(total, Tensor)  # `Params` refuses a loss without any weight
        optimizer_g.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        processes.average_gradients(generator)
        optimizer_g.step()
        update_ema(
            ema,
            generator,
            half_life=params.train.ema_half_life,
            images=(step + 1) * batch_size,
            batch_size=batch_size,
        )

        # A loss that is NaN or infinite ends the run before the state is saved. Where the host can
        # run ahead of the device, it reads the losses of a step during the next one.
        steps_done = step + 1
        logged |= terms
        readback.start(processes.means(logged.values()))
        is_reported = steps_done % params.train.report_every == 0
        is_saved = processes.is_first_rank and (state_file.due() or steps_done == total_steps)
        is_late = overlaps(device) and not (is_reported or is_saved)
        for values in readback.finish(leave=int(is_late)):
            steps_read += 1
            for name, value in zip(logged, values, strict=True):
                refuse_not_finite(name, value, steps_read)
                sums[name] = sums.get(name, 0.0) + value

        # All ranks have the same weights from here on; rank 0 reports and saves them.
        if not processes.is_first_rank:
            continue

        # Every `report_every` steps: the validation loss, a preview and a row of the curves.
        if is_reported:
            means = {name: value / params.train.report_every for name, value in sums.items()}
            with autocast:
                rows.append(
                    report(steps_done, means, ema, validation_batch, state_file.previews, tracker)
                )
            sums = {}
        if is_saved:
            save_state(
                state_file,
                step=steps_done,
                rows=rows,
                sums=sums,
                random_state=random_state,
                networks=networks,
                optimizers=optimizers,
                processes=processes,
            )
            tracker.flush()

    if not processes.is_first_rank:
        return {}

    # The final report is not part of the state, so that raising `train.epochs` later gives the same
    # curves as that many epochs from the start.
    saved_previews = [preview_name(row["step"]) for row in rows]
    unreported_steps = total_steps % params.train.report_every
    if unreported_steps:
        means = {name: value / unreported_steps for name, value in sums.items()}
        with autocast:
            rows.append(
                report(total_steps, means, ema, validation_batch, folders.previews, tracker)
            )
    write_curves(folders.curves / "loss.csv", rows)
    save_model(
        folders.models,
        generator=ema,
        discriminator=discriminator if params.loss.adversarial else None,
        params=params.model,
        size=params.training_size,
        numerics=numerics,
    )
    folders.previews.mkdir(parents=True, exist_ok=True)
    for name in saved_previews:
        try:
            shutil.copy(state_file.previews / name, folders.previews)
        except FileNotFoundError:
            processes.log(f"the preview {name} is missing in {state_file.previews}; it is left out")
    state_file.finish()
    row = {name: value for name, value in rows[-1].items() if name != "step"}
    return {"steps": total_steps, "images": total_steps * batch_size} | row


def load_init(folder: Path, *, generator: nn.Module, discriminator: nn.Module) -> None:
    # Fine-tuning starts from the weights of a folder; an empty folder means from scratch. A model
    # trained without adversarial loss has no discriminator, which then keeps its initial weights.
    for network, name in ((generator, GENERATOR), (discriminator, DISCRIMINATOR)):
        if (folder / name).exists():
            load_weights(network, folder / name)


def draw_batches(
    steps: range,
    pictures: Pictures,
    params: Params,
    *,
    batch_size: int,
    random: torch.Generator,
    device: torch.device,
    processes: Processes = SINGLE_PROCESS,
) -> Iterator[tuple[Batch, Tensor]]:
    # The batch of each step, and the state of `random` after it. Every rank draws the random
    # numbers of whole batches, so that all ranks draw alike, and computes its part of each.
    steps_per_epoch = len(pictures) // batch_size
    order = epoch_order(steps.start // steps_per_epoch, len(pictures), seed=params.seed)
    for step in steps:
        epoch, number = divmod(step, steps_per_epoch)
        if number == 0:
            order = epoch_order(epoch, len(pictures), seed=params.seed)
        is_small = epoch < params.train.half_resolution_epochs
        batch = make_batch(
            pictures,
            order[number * batch_size : (number + 1) * batch_size],
            params,
            random=random,
            device=device,
            size=params.training_size // 2 if is_small else params.training_size,
            processes=processes,
        )
        yield batch, random.get_state()


def epoch_order(epoch: int, count: int, *, seed: int) -> Tensor:
    # A function of the epoch alone, so that a resumed run does not need the earlier orders.
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed * 1_000_003 + epoch))


def generator_terms(
    weights: LossParams,
    output: Output,
    batch: Batch,
    *,
    discriminator: nn.Module,
    vgg: nn.Module | None,
    processes: Processes = SINGLE_PROCESS,
) -> dict[str, Tensor]:
    terms = {}
    if weights.reconstruction:
        terms["reconstruction"] = losses.reconstruction(output.picture, batch.target)
    if weights.adversarial:
        # Frozen for this pass, which would otherwise compute weight gradients that nothing uses.
        discriminator.requires_grad_(False)
        fake = discriminator(picture=output.picture, sketch=batch.sketch)
        terms["adversarial"] = losses.adversarial_generator(fake)
        discriminator.requires_grad_(True)
    if vgg is not None:
        with torch.no_grad():
            target = vgg(batch.target)
        prediction = vgg(output.picture)
        if weights.perceptual:
            terms["perceptual"] = losses.perceptual(prediction, target)
        if weights.style:
            terms["style"] = losses.style(prediction[-1], target[-1])
    if weights.needs_match:
        assert output.logits is not None
        (cells,) = output.key_cells
        match = augment.known_match(
            batch.warped.grid, batch.warped.valid, cells=cells, query_cells=output.cells
        )
        # Both terms are means over the known queries, whose number differs between ranks.
        rank_weight = processes.weight(match.known.sum())
        if weights.triplet:
            assert batch.negatives is not None
            negative = losses.choose_negatives(match, batch.negatives, cells=cells)
            triplet = losses.triplet(output.logits, match, negative, margin=weights.margin)
            terms["triplet"] = rank_weight * triplet
        if weights.match:
            terms["match"] = rank_weight * losses.match(output.logits, match)
    return terms


@torch.no_grad()
def update_ema(
    ema: Generator, generator: Generator, *, half_life: float, images: int, batch_size: int
) -> None:
    # Norm statistics are averaged like weights; counters are copied.
    decay = 0.5 ** (batch_size / min(half_life, EMA_WARM_UP * images))
    averages, values = list(ema.state_dict().values()), list(generator.state_dict().values())
    is_float = [average.is_floating_point() for average in averages]
    torch._foreach_lerp_([*compress(averages, is_float)], [*compress(values, is_float)], 1 - decay)
    for average, value, is_averaged in zip(averages, values, is_float, strict=True):
        if not is_averaged:
            average.copy_(value)


@torch.no_grad()
def report(
    step: int,
    means: Mapping[str, float],
    ema: Generator,
    batch: Batch,
    previews: Path,
    tracker: Tracker,
) -> dict[str, float]:
    # The EMA network colours the validation batch; the folder and the tracker get the same sheet.
    predictions = ema(sketch=batch.sketch, reference=batch.reference).picture
    loss = losses.reconstruction(predictions, batch.target).item()
    refuse_not_finite("validation", loss, step)
    values = {**means, "validation": loss}
    tracker.scalars(step, values)
    sheet = preview(batch, predictions)
    image.write(previews / preview_name(step), sheet)
    tracker.picture("preview", sheet, step=step)
    return {"step": float(step), **values}


def refuse_not_finite(name: str, value: float, step: int) -> None:
    if not math.isfinite(value):
        raise RefcolorError(f"the {name} loss became {value} at step {step}; {DIVERGENCE_ADVICE}")


def preview_name(step: float) -> str:
    return f"step-{int(step):07d}.png"


def preview(batch: Batch, predictions: Tensor) -> image.Picture:
    # Rows of sketch, reference, prediction, target.
    columns = (batch.sketch.expand(-1, 3, -1, -1), batch.reference, predictions, batch.target)
    return image.grid(
        [
            [image.to_uint8(column[row]) for column in columns]
            for row in range(min(PREVIEWS, len(predictions)))
        ]
    )


def write_curves(path: Path, rows: list[dict[str, float]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[-1]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {name: f"{value:.6g}" for name, value in row.items()} | {"step": f"{row['step']:.0f}"}
            for row in rows
        )


def load_state(
    file: StateFile,
    *,
    total_steps: int,
    random: torch.Generator,
    networks: Sequence[nn.Module],
    optimizers: Sequence[torch.optim.Optimizer],
    processes: Processes,
) -> tuple[int, list[dict[str, float]], dict[str, float]]:
    """Restore networks, optimizers and random state; returns step, rows and sums.

    A function of its own, so that the weights that were read (0.7 GB at full width) are freed.
    """
    state = processes.broadcast(lambda: file.resume(total_steps=total_steps))
    if not state:
        return 0, [], {}
    random.set_state(state["random"])
    for network, values in zip(networks, state["networks"], strict=True):
        network.load_state_dict(values)
    for optimizer, moments in zip(optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(moments)
    processes.log(f"resumed at step {state['step']}")
    if state["processes"] != processes.world_size:
        processes.log(
            f"train.processes was {state['processes']} until now and is {processes.world_size} "
            "from here on: the result differs in its last bits from a run with either number"
        )
    return state["step"], state["rows"], state["sums"]


def save_state(
    file: StateFile,
    *,
    step: int,
    rows: list[dict[str, float]],
    sums: dict[str, float],
    random_state: Tensor,
    networks: Sequence[nn.Module],
    optimizers: Sequence[torch.optim.Optimizer],
    processes: Processes = SINGLE_PROCESS,
) -> None:
    # A step with finite losses can still make weights NaN or infinite.
    for network in networks:
        for name, values in network.state_dict().items():
            if not values.isfinite().all():
                raise RefcolorError(
                    f"{name} of the {type(network).__name__.lower()} holds NaN or infinity after "
                    f"step {step}; {DIVERGENCE_ADVICE}"
                )
    file.save(
        {
            "step": step,
            "processes": processes.world_size,
            "rows": rows,
            "sums": sums,
            "random": random_state,
            "networks": [network.state_dict() for network in networks],
            "optimizers": [optimizer.state_dict() for optimizer in optimizers],
        }
    )
