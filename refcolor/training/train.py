"""Training, one straight function: set-up, what happens once in a while, and the two steps."""

import csv
import dataclasses
import math
import shutil
import time
from collections.abc import Mapping, Sequence
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
from refcolor.training.distributed import ALONE, Processes
from refcolor.training.tracker import Tracker
from refcolor.training.vgg import load_vgg

PREVIEWS = 8
VALIDATION = 64
ADVICE = (
    "the last good state is kept. Lower the learning rate or the weight of a loss, or set "
    "train.precision: fp32"
)
FIRST_STEPS, WATCHED = 20, 30.0  # steps that promise a speed; seconds over which it is measured
EMA_WARM_UP = 0.1  # the half-life is at most this share of the pictures seen so far


@dataclasses.dataclass(frozen=True)
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
    processes: Processes = ALONE,
) -> dict[str, float]:
    # The seed decides the first weights; all that is drawn later comes from one generator.
    torch.set_num_threads(params.train.threads)
    torch.manual_seed(params.seed)
    random = torch.Generator().manual_seed(params.seed)
    generator, ema = build_generator(params.model), build_generator(params.model)
    discriminator = Discriminator(params.model)
    load_init(Path(params.train.init), generator=generator, discriminator=discriminator)
    ema.load_state_dict(generator.state_dict())
    ema.requires_grad_(False).eval()
    networks: tuple[nn.Module, ...] = (generator, discriminator, ema)
    for network in networks:
        network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        processes.broadcast_weights(network)
    vgg = None
    if params.loss.perceptual or params.loss.style:
        vgg = processes.first_rank_first(load_vgg)
        vgg.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
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
        device.type, dtype=torch.bfloat16, enabled=params.train.precision == "bf16"
    )

    # Epochs count whole batches; fewer pictures than a batch make one small batch.
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

    # The state of a run that was stopped, if there is one. Rank 0 reads it for all.
    rows: list[dict[str, float]] = []
    sums: dict[str, float] = {}
    first_step = 0
    state = processes.broadcast(lambda: state_file.resume(total_steps=total_steps))
    if state:
        first_step, rows, sums = state["step"], state["rows"], state["sums"]
        random.set_state(state["random"])
        for network, values in zip(networks, state["networks"], strict=True):
            network.load_state_dict(values)
        for optimizer, moments in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(moments)
        processes.say(f"resumed at step {first_step}")
        if state["processes"] != processes.world_size:
            processes.say(
                f"train.processes was {state['processes']} until now and is {processes.world_size} "
                "from here on: the result is neither's bit for bit"
            )

    # One validation batch for the whole run, so that its losses and previews can be compared.
    validation_batch = make_batch(
        validation,
        torch.arange(min(VALIDATION, len(validation))),
        params.model_copy(update={"augment": params.augment.plain}),
        random=torch.Generator().manual_seed(0),
        device=device,
    )
    for row in rows:
        tracker.scalars(int(row["step"]), without_step(row))

    order = epoch_order(first_step // steps_per_epoch, len(pictures), seed=params.seed)
    generator.train(), discriminator.train()
    bar = tqdm(
        range(first_step, total_steps),
        initial=first_step,
        total=total_steps,
        desc="train",
        unit="step",
        disable=not processes.is_first_rank,
    )
    promised, since, counted_from = math.inf, time.monotonic(), first_step
    for step in bar:
        # The first steps say how long it will take, and later ones once that it takes twice that.
        now, count = time.monotonic(), step - counted_from
        if step - first_step == FIRST_STEPS:
            promised = (now - since) / count
            processes.say(f"about {promised * (total_steps - step) / 60:.0f} minutes left")
            since, counted_from = now, step
        elif math.isfinite(promised) and now - since >= WATCHED:
            if (now - since) / count > 2 * promised:
                speed = count / (now - since)
                processes.say(
                    f"training slowed to {speed:.2g} steps/s, less than half of the "
                    f"{1 / promised:.2g} of its first steps; does another program use the "
                    f"processors? About {(total_steps - step) / speed / 60:.0f} minutes left"
                )
                promised = math.inf
            since, counted_from = now, step

        # Once in an epoch: another order, and learning rates that depend on nothing but the epoch.
        epoch, place = divmod(step, steps_per_epoch)
        if place == 0:
            order = epoch_order(epoch, len(pictures), seed=params.seed)
        half_life = params.train.learning_rate_half_life
        decay = 0.5 ** (epoch / half_life) if half_life else 1.0
        optimizer_g.param_groups[0]["lr"] = params.train.learning_rate_generator * decay
        optimizer_d.param_groups[0]["lr"] = params.train.learning_rate_discriminator * decay

        # Draw the batch: offset the colours, and make each picture its own reference by a warp.
        # Every rank draws for the whole batch, so that all stay in step, and makes its share of it.
        index = order[place * batch_size : (place + 1) * batch_size]
        batch = make_batch(
            pictures, index, params, random=random, device=device, processes=processes
        )

        # One generator pass serves both steps.
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
                random=random,
                processes=processes,
            )
        total = sum(loss_weights[name] * term for name, term in terms.items())
        assert isinstance(total, Tensor)  # the parameters refuse a loss without any weight
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

        # A loss of NaN or infinity ends the run before anything wrong is kept.
        done = step + 1
        for name, value in processes.means(logged | terms).items():
            refuse_not_finite(name, value, done)
            sums[name] = sums.get(name, 0.0) + value

        # All ranks have the same weights from here on; rank 0 reports and saves them.
        if not processes.is_first_rank:
            continue

        # Once in a while: one validation loss, one preview, one row of the curves.
        if done % params.train.report_every == 0:
            means = {name: value / params.train.report_every for name, value in sums.items()}
            with autocast:
                rows.append(
                    report(done, means, ema, validation_batch, state_file.previews, tracker)
                )
            sums = {}
        if state_file.due() or done == total_steps:
            save_state(
                state_file,
                step=done,
                rows=rows,
                sums=sums,
                random=random,
                networks=networks,
                optimizers=optimizers,
                processes=processes,
            )
            tracker.flush()

    if not processes.is_first_rank:
        return {}

    # The closing report stays out of the state, so that raising `train.epochs` later gives the same
    # curves as that many epochs from the start.
    reported = [preview_name(row["step"]) for row in rows]
    unreported = total_steps % params.train.report_every
    if unreported:
        means = {name: value / unreported for name, value in sums.items()}
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
        size=pictures.color.shape[1],
    )
    folders.previews.mkdir(parents=True, exist_ok=True)
    for name in reported:
        try:
            shutil.copy(state_file.previews / name, folders.previews)
        except FileNotFoundError:
            processes.say(f"the preview {name} is missing in {state_file.previews}; it is left out")
    state_file.finish()
    return {"steps": total_steps, "images": total_steps * batch_size} | without_step(rows[-1])


def load_init(folder: Path, *, generator: nn.Module, discriminator: nn.Module) -> None:
    # Fine-tuning starts from a folder with weights; an empty folder means from scratch. A model
    # that was trained without adversarial loss has no discriminator: then that one starts fresh.
    for network, name in ((generator, GENERATOR), (discriminator, DISCRIMINATOR)):
        if (folder / name).exists():
            load_weights(network, folder / name)


def epoch_order(epoch: int, count: int, *, seed: int) -> Tensor:
    # A function of the epoch alone: a resumed run needs no memory of the orders before it.
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed * 1_000_003 + epoch))


def generator_terms(
    weights: LossParams,
    output: Output,
    batch: Batch,
    *,
    discriminator: nn.Module,
    vgg: nn.Module | None,
    random: torch.Generator,
    processes: Processes = ALONE,
) -> dict[str, Tensor]:
    terms = {}
    if weights.reconstruction:
        terms["reconstruction"] = losses.reconstruction(output.picture, batch.target)
    if weights.adversarial:
        # Frozen for this pass: its weight gradients would be computed and thrown away.
        discriminator.requires_grad_(False)
        verdict = discriminator(picture=output.picture, sketch=batch.sketch)
        terms["adversarial"] = losses.adversarial_generator(verdict)
        discriminator.requires_grad_(True)
    if vgg is not None:
        with torch.no_grad():
            target = vgg(batch.target)
        result = vgg(output.picture)
        if weights.perceptual:
            terms["perceptual"] = losses.perceptual(result, target)
        if weights.style:
            terms["style"] = losses.style(result[-1], target[-1])
    if weights.needs_match:
        assert output.logits is not None
        match = augment.known_match(batch.warped.grid, batch.warped.valid, cells=output.cells)
        # These two are means over known queries, of which one rank has more than another.
        known = processes.weight(match.known.sum())
        if weights.triplet:
            # Drawn for the whole batch, of which `match` is this rank's share.
            queries, keys = output.logits.shape[1:]
            whole = (len(match.key) * processes.world_size, queries, keys)
            chance = processes.share(torch.rand(whole, generator=random)).to(match.key.device)
            negative = losses.choose_negatives(match, chance, cells=output.cells)
            triplet = losses.triplet(output.logits, match, negative, margin=weights.margin)
            terms["triplet"] = known * triplet
        if weights.match:
            terms["match"] = known * losses.match(output.logits, match)
    return terms


@torch.no_grad()
def update_ema(
    ema: Generator, generator: Generator, *, half_life: float, images: int, batch_size: int
) -> None:
    # Norm statistics follow the weights that they belong to.
    decay = 0.5 ** (batch_size / min(half_life, EMA_WARM_UP * images))
    for average, fresh in zip(
        ema.state_dict().values(), generator.state_dict().values(), strict=True
    ):
        if average.is_floating_point():
            average.lerp_(fresh, 1 - decay)
        else:
            average.copy_(fresh)


@torch.no_grad()
def report(
    step: int,
    means: Mapping[str, float],
    ema: Generator,
    batch: Batch,
    previews: Path,
    tracker: Tracker,
) -> dict[str, float]:
    # The EMA network colours the validation batch; folder and tracker get the same sheet.
    results = ema(sketch=batch.sketch, reference=batch.reference).picture
    loss = losses.reconstruction(results, batch.target).item()
    refuse_not_finite("validation", loss, step)
    values = {**means, "validation": loss}
    tracker.scalars(step, values)
    sheet = preview(batch, results)
    image.write(previews / preview_name(step), sheet)
    tracker.picture("preview", sheet, step=step)
    return {"step": float(step), **values}


def refuse_not_finite(name: str, value: float, step: int) -> None:
    if not math.isfinite(value):
        raise RefcolorError(f"the {name} loss became {value} at step {step}; {ADVICE}")


def preview_name(step: float) -> str:
    return f"step-{int(step):07d}.png"


def preview(batch: Batch, results: Tensor) -> image.Picture:
    # Rows of sketch, reference, result, target.
    columns = (batch.sketch.expand(-1, 3, -1, -1), batch.reference, results, batch.target)
    return image.grid(
        [
            [image.to_uint8(column[row]) for column in columns]
            for row in range(min(PREVIEWS, len(results)))
        ]
    )


def without_step(row: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in row.items() if name != "step"}


def write_curves(path: Path, rows: list[dict[str, float]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[-1]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {name: f"{value:.6g}" for name, value in row.items()} | {"step": f"{row['step']:.0f}"}
            for row in rows
        )


def save_state(
    file: StateFile,
    *,
    step: int,
    rows: list[dict[str, float]],
    sums: dict[str, float],
    random: torch.Generator,
    networks: Sequence[nn.Module],
    optimizers: Sequence[torch.optim.Optimizer],
    processes: Processes = ALONE,
) -> None:
    # A step can spoil weights after finite losses.
    for network in networks:
        for name, values in network.state_dict().items():
            if not values.isfinite().all():
                raise RefcolorError(
                    f"{name} of the {type(network).__name__.lower()} holds NaN or infinity after "
                    f"step {step}; {ADVICE}"
                )
    file.save(
        {
            "step": step,
            "processes": processes.world_size,
            "rows": rows,
            "sums": sums,
            "random": random.get_state(),
            "networks": [network.state_dict() for network in networks],
            "optimizers": [optimizer.state_dict() for optimizer in optimizers],
        }
    )
