"""A plain fine-tune by timm and torchvision, as in tutorials: SPLIT ROOT ARCH WEIGHTS SIDE EPOCHS SEED OUT."""

import csv
import sys
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from sklearn.metrics import roc_auc_score
from torch.utils.data import DataLoader
from torchvision import transforms as T  # noqa: N812 - torchvision's own habit
from torchvision.datasets import ImageFolder

split, root, arch, weights, side, epochs, seed, out = sys.argv[1:]
torch.manual_seed(int(seed))
rows = csv.DictReader(Path(split).read_text(encoding="utf-8").splitlines())
parts = {str(Path(root, row["path"])): row["split"] for row in rows}


def _films(part: str, vary: list[Any], *, shuffle: bool) -> DataLoader[Any]:
    steps = [T.Resize((int(side), int(side))), *vary, T.ToTensor(), T.Normalize([0.5] * 3, [0.5] * 3)]
    films = ImageFolder(root, T.Compose(steps), is_valid_file=lambda path: parts.get(path) == part)
    return DataLoader(films, batch_size=32, shuffle=shuffle, num_workers=1)


vary = [T.RandomAffine(15, translate=(0.1, 0.1), scale=(0.8, 1.2)), T.ColorJitter(0.2, 0.2)]
train, validation = _films("train", vary, shuffle=True), _films("val", [], shuffle=False)
model = timm.create_model(arch, pretrained=True, pretrained_cfg_overlay={"file": weights}, num_classes=2, drop_rate=0.5)
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, weight_decay=0.02)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, int(epochs) * len(train))
best = 0.0
for _ in range(int(epochs)):
    model.train()
    for images, labels in train:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(images), labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    model.eval()
    with torch.no_grad():
        answers = [(model(images).softmax(1)[:, 1], labels) for images, labels in validation]
    scores, truth = (torch.cat(part).numpy() for part in zip(*answers, strict=True))
    if roc_auc_score(truth, scores) > best:
        best = roc_auc_score(truth, scores)
        np.savez(out, scores=scores, truth=truth)
