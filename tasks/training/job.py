"""The first example of a training job: a masked autoencoder on both sensors, from whatever corpus it is handed.

    python -m tasks.training.job --epochs 20          (DEEPSENTINEL_CORPUS, _DIGEST and _OUTPUT say from what, where to)

It trains on the accelerator where there is one, keeps a checkpoint and goes on from it, and on a CPU gives the same
numbers for the same seed. A job of your own needs nothing of this: see `tasks/training/reader.py`.
"""

import argparse
import json
import math
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from tasks.errors import CorpusError, DeepSentinelError, SettingsError
from tasks.training.autoencoder import Autoencoder, hide, masked_loss
from tasks.training.config import CORPUS, DIGEST, OUTPUT
from tasks.training.reader import CorpusDataset
from tasks.training.sampling import ShardSampler
from tasks.training.utilisation import Utilisation

_SHARE = 0.5
"""Of an image that is hidden."""

_EVERY = 300.0
"""Seconds between two checkpoints within an epoch."""


class OutOfTime(DeepSentinelError):
    """The minutes are over before the epochs; the checkpoint is kept."""


@dataclass(kw_only=True)
class Position:
    """How far a training is; with its weights, all that is needed to go on."""

    epoch: int = 0
    step: int = 0
    """Batches of the epoch that are done."""
    sum: float = 0.0
    """Of the losses of these batches."""
    losses: list[float] = field(default_factory=list)
    """Mean loss of each epoch that is done."""


class Training:
    """One training in a folder."""

    def __init__(self, dataset: CorpusDataset, options: argparse.Namespace, folder: Path) -> None:
        self.options, self.folder, self.dataset = options, folder, dataset
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(options.seed)
        (channels,) = dataset.channels.values()
        self.model: Any = Autoencoder(len(channels), options.width).to(self.device)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=options.learning_rate)
        self.position = Position()
        self.asked_to_end = False
        self._known = {
            "digest": dataset.digest,
            "channels": list(channels),
            **{name: getattr(options, name) for name in ("width", "batch", "seed", "learning_rate", "split")},
        }
        self._saved = time.monotonic()

    @property
    def checkpoint(self) -> Path:
        """The file from which it goes on."""
        return self.folder / "checkpoint.pt"

    def resume(self) -> bool:
        """Go on from the checkpoint, if there is one; says whether. Raises CorpusError: it is of another training."""
        if not self.checkpoint.exists():
            return False
        held: dict[str, Any] = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        if held["known"] != self._known:
            differing = [name for name in self._known if held["known"].get(name) != self._known[name]]
            raise CorpusError(
                f"{self.checkpoint}: is of another training, which differs in {', '.join(differing)}. Remove it, or "
                f"name another folder in {OUTPUT}."
            )
        self.model.load_state_dict(held["model"])
        self.optimizer.load_state_dict(held["optimizer"])
        self.position = Position(**held["position"])
        return True

    def save(self) -> None:
        """Keep a checkpoint, whole or not at all."""
        content = {
            "known": self._known,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "position": asdict(self.position),
        }
        partial = self.checkpoint.with_suffix(".partial")
        torch.save(content, partial)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(self.checkpoint)
        self._saved = time.monotonic()

    def end(self, *_: object) -> None:
        """Have it end after the batch that it is at; a handler of signals."""
        self.asked_to_end = True

    def run(self) -> None:
        """Train until the epochs are over, or it is asked to end. Raises OutOfTime: the minutes were over before."""
        deadline = time.monotonic() + 60 * self.options.minutes
        while self.position.epoch < self.options.epochs and not self.asked_to_end:
            with Utilisation(self.device.type == "cuda") as used:
                samples, seconds, waited = self._epoch(deadline)
            if samples:
                self._tell(samples, seconds, waited, used.percent)
            self.save()
            if time.monotonic() >= deadline and self.position.epoch < self.options.epochs and not self.asked_to_end:
                raise OutOfTime(
                    f"--minutes {self.options.minutes:g} are over, and {self.position.epoch} of {self.options.epochs} "
                    f"epochs are done. The same command goes on from {self.checkpoint}."
                )

    def _epoch(self, deadline: float) -> tuple[int, float, float]:
        """What is left of an epoch: samples that it took, seconds, and those in which it waited for samples."""
        at, began, waited, samples = self.position, time.monotonic(), 0.0, 0
        batches = iter(self._loader())
        self.model.train()
        while True:
            asked = time.monotonic()
            batch: Any = next(batches, None)
            waited += time.monotonic() - asked
            if batch is None:
                break
            at.sum += self._step(batch["image"])
            at.step += 1
            samples += len(batch["image"])
            now = time.monotonic()
            if self.asked_to_end or now >= deadline:
                return samples, now - began, waited
            if now - self._saved >= _EVERY:
                self.save()
        mean = at.sum / max(1, at.step)
        if not math.isfinite(mean):
            raise CorpusError(f"epoch {at.epoch + 1}: the loss is {mean}. Use a smaller --learning-rate.")
        self.position = Position(epoch=at.epoch + 1, losses=[*at.losses, mean])
        return samples, time.monotonic() - began, waited

    def _step(self, batch: Tensor) -> float:
        # By its own generator, so that a training that goes on hides what it would have hidden.
        seed = (self.options.seed * 1_000_003 + self.position.epoch) * 1_000_003 + self.position.step
        random = torch.Generator().manual_seed(seed % 2**63)
        hidden = hide(len(batch), batch.shape[-2], batch.shape[-1], _SHARE, random)
        image, hidden = batch.to(self.device, non_blocking=True), hidden.to(self.device, non_blocking=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            made = self.model(image.nan_to_num(0.0), hidden)
        loss = masked_loss(made.float(), image, hidden)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        return float(loss.detach())

    def _loader(self) -> Iterator[Any]:
        sampler = ShardSampler(self.dataset.shards, seed=self.options.seed)
        sampler.set_epoch(self.position.epoch)
        left = sampler.order()[self.position.step * self.options.batch :].tolist()
        # Forked workers of a process that uses an accelerator may hang.
        started: dict[str, Any] = {"multiprocessing_context": "spawn", "prefetch_factor": 4}
        return iter(
            DataLoader(
                self.dataset,
                batch_size=self.options.batch,
                sampler=left,
                num_workers=self.options.workers,
                pin_memory=self.device.type == "cuda",
                **(started if self.options.workers else {}),
            )
        )

    def _tell(self, samples: int, seconds: float, waited: float, percent: float | None) -> None:
        at = self.position
        loss = f"loss {at.losses[-1]:.4f}" if at.losses and not at.step else f"{at.step} batches"
        used = "" if percent is None else f", accelerator {percent:.0f} % used"
        print(
            f"epoch {at.epoch + bool(at.step)} of {self.options.epochs}: {loss}, {samples} samples in {seconds:.1f} s, "
            f"{samples / seconds:.1f} samples/s fed, {100 * waited / seconds:.0f} % of it waited for{used}",
            flush=True,
        )


def options_of(arguments: list[str]) -> argparse.Namespace:
    """What the command line says. Exits with 2: wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m tasks.training.job", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--epochs", type=int, default=20, help="passes over the split")
    parser.add_argument(
        "--minutes", type=float, default=60.0, help="after which it ends; if epochs are left, it has failed"
    )
    parser.add_argument("--batch", type=int, default=16, help="samples a step")
    parser.add_argument("--width", type=int, default=32, help="channels after the first convolution, a multiple of 4")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--workers", type=int, default=0, help="processes that read; 0: this one")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--split", default="train")
    parser.add_argument("--cache", type=Path, help="folder for whole shards of a corpus that is far")
    options = parser.parse_args(arguments)
    for name, least in {"epochs": 1, "batch": 1, "width": 4, "workers": 0, "seed": 0}.items():
        if getattr(options, name) < least:
            parser.error(f"--{name} {getattr(options, name)}: expected {least} or more")
    if options.width % 4:
        parser.error(f"--width {options.width}: expected a multiple of 4")
    return options


def main(arguments: list[str]) -> int:
    """Train, and say how it went; the exit code."""
    options = options_of(arguments)
    try:
        for name in (CORPUS, OUTPUT):
            if not os.environ.get(name):
                raise SettingsError(
                    f"{name} is not set. `deepsentinel train CORPUS CONFIG` sets it, or set it yourself."
                )
        folder = Path(os.environ[OUTPUT])
        folder.mkdir(parents=True, exist_ok=True)
        dataset = CorpusDataset(
            os.environ[CORPUS],
            digest=os.environ.get(DIGEST) or None,
            split=options.split,
            fill=math.nan,
            cache=options.cache,
        )
        if dataset.times:
            raise CorpusError(
                f"{os.environ[CORPUS]}: has {len(dataset.times)} dates of each place, and this example takes one image "
                "of each. Write a job of your own with CorpusDataset (tasks/training/reader.py), which reads series."
            )
        training = Training(dataset, options, folder)

        name = torch.cuda.get_device_name() if training.device.type == "cuda" else "CPU"
        print(f"{len(dataset)} samples of {dataset.digest[:16]}, on {name}", flush=True)
        if training.resume():
            print(f"goes on after epoch {training.position.epoch}, batch {training.position.step}", flush=True)
        before = signal.signal(signal.SIGTERM, training.end)
        try:
            training.run()
        finally:
            signal.signal(signal.SIGTERM, before)
            (folder / "metrics.json").write_text(json.dumps({"losses": training.position.losses}))
    except DeepSentinelError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    losses = training.position.losses
    if training.asked_to_end:
        return 128 + signal.SIGTERM
    if losses:
        print(f"loss {losses[0]:.4f} after the first epoch, {losses[-1]:.4f} after {len(losses)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
