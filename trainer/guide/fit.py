"""The training of a guide: lungs and traits at once, resumed from its checkpoint."""

import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.optim import AdamW

from bundle.files import write_whole
from schemas.errors import TrainingConfigError
from trainer.guide.films import UNKNOWN, GuideBatch, GuideFilms, batches
from trainer.guide.options import GuideOptions
from trainer.networks.lungs.guide import GuideNetwork, Sight
from trainer.networks.weights import NONE, read_weights
from trainer.reporter import Reporter

_ENCODER_RATE = 1 / 3
_WARMUP = 0.05
_CLIP = 1.0
_FROZEN = ("conv_stem", "bn1", "blocks.0", "blocks.1")
"""Parts of a pretrained encoder that stand still: edges and textures are the same for films, and half of the time."""

Frozen = list[torch.nn.Module]


@dataclass(frozen=True, slots=True)
class _State:
    network: GuideNetwork
    optimizer: AdamW
    frozen: Frozen
    epochs_done: int


def fit_guide(films: GuideFilms, options: GuideOptions, checkpoint: Path, reporter: Reporter) -> GuideNetwork:
    """Train a guide; goes on from the checkpoint if there is one. Every draw is a function of seed and epoch.

    Raises:
        TrainingConfigError: the loss is not finite.
        WeightsError: the encoder's weights do not fit.
    """
    state = _start(films, options, checkpoint)
    for epoch in range(state.epochs_done, options.epochs):
        loss = _epoch(state, films, options, epoch, reporter)
        reporter.message(f"guide epoch {epoch + 1}/{options.epochs}: loss {loss:.4f}")
        _save(state, epoch + 1, checkpoint)
    return state.network.eval()


def _start(films: GuideFilms, options: GuideOptions, checkpoint: Path) -> _State:
    torch.manual_seed(options.seed)
    network = GuideNetwork([len(values) for values in films.traits.values()])
    frozen: Frozen = []
    if options.weights != NONE:
        _load_encoder(network, Path(options.weights))
        frozen = [network.encoder.get_submodule(name) for name in _FROZEN]
        for part in frozen:
            part.requires_grad_(requires_grad=False)
    encoder = [weight for weight in network.encoder.parameters() if weight.requires_grad]
    known = {id(weight) for weight in network.encoder.parameters()}
    rest = [weight for weight in network.parameters() if id(weight) not in known]
    groups: list[dict[str, Any]] = [
        {"params": encoder, "peak_lr": options.lr * _ENCODER_RATE},
        {"params": rest, "peak_lr": options.lr},
    ]
    optimizer = AdamW(groups, lr=options.lr, weight_decay=options.weight_decay)
    done = 0
    if checkpoint.exists():
        saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
        network.load_state_dict(saved["weights"])
        optimizer.load_state_dict(saved["optimizer"])
        done = int(saved["epochs"])
    return _State(network, optimizer, frozen, done)


def _load_encoder(network: GuideNetwork, path: Path) -> None:
    """The encoder's part of weights of the whole network, whose stem sums over the three channels of its films."""
    own = network.encoder.state_dict()
    given = read_weights(path)
    stem = given["conv_stem.weight"].float()
    given["conv_stem.weight"] = stem.sum(1, keepdim=True) if stem.shape[1] == 3 else stem  # noqa: PLR2004 - RGB
    network.encoder.load_state_dict({key: given.get(key, own[key]) for key in own})


def _epoch(state: _State, films: GuideFilms, options: GuideOptions, epoch: int, reporter: Reporter) -> float:
    network = state.network.train()
    for part in state.frozen:
        part.eval()
    per_epoch = math.ceil(options.films_per_epoch / options.batch_size)
    losses = []
    torch.manual_seed(hash((options.seed, epoch)))  # dropout
    with reporter.stage(f"guide epoch {epoch + 1}/{options.epochs}") as progress:
        progress(0, per_epoch)
        for number, batch in enumerate(batches(films, options, epoch)):
            _set_rate(state.optimizer, (epoch * per_epoch + number) / (options.epochs * per_epoch))
            loss = guide_loss(network(batch.films), batch, network.values)
            state.optimizer.zero_grad()
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(network.parameters(), _CLIP)
            state.optimizer.step()
            losses.append(loss.detach())
            progress(number + 1, per_epoch)
    mean = float(torch.stack(losses).mean())
    if not math.isfinite(mean):
        msg = f"the loss of the guide is {mean} in epoch {epoch + 1}; lower lr"
        raise TrainingConfigError(msg)
    return mean


def guide_loss(sight: Sight, batch: GuideBatch, values: tuple[int, ...]) -> Tensor:
    """Cross-entropy and soft Dice of the lungs, and the cross-entropy of each trait; what is not known is left out.

    Source: the Dice loss of Milletari et al., V-Net, 3DV 2016, arXiv:1606.04797.
    """
    loss = sight.traits.sum() * 0
    if batch.masked.any():
        logits, truth = sight.lungs[batch.masked], batch.masks[batch.masked]
        lungs = logits.sigmoid()
        overlap = 2 * (lungs * truth).sum((1, 2)) + 1
        dice = 1 - overlap / (lungs.sum((1, 2)) + truth.sum((1, 2)) + 1)
        loss = loss + functional.binary_cross_entropy_with_logits(logits, truth) + dice.mean()
    for part, truth in zip(torch.split(sight.traits, list(values), 1), batch.traits.T, strict=True):
        if (truth != UNKNOWN).any():
            loss = loss + functional.cross_entropy(part, truth, ignore_index=UNKNOWN)
    return loss


def _set_rate(optimizer: AdamW, progress: float) -> None:
    rising = min(1.0, (progress + 1e-3) / _WARMUP)
    factor = rising * 0.5 * (1 + math.cos(math.pi * progress))
    for group in optimizer.param_groups:
        group["lr"] = factor * group["peak_lr"]


def _save(state: _State, epochs: int, checkpoint: Path) -> None:
    buffer = io.BytesIO()
    saved = {"weights": state.network.state_dict(), "optimizer": state.optimizer.state_dict(), "epochs": epochs}
    torch.save(saved, buffer)
    write_whole(checkpoint, buffer.getvalue())
