"""A plain fine-tune by timm and torchvision, as in tutorials: SPLIT ROOT ARCH WEIGHTS SIDE EPOCHS SEED START OUT."""

import csv
import sys
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from PIL import Image
from safetensors.torch import load_file
from sklearn.metrics import roc_auc_score
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms as T  # noqa: N812 - torchvision's own habit

split, root, arch, weights, side, epochs, seed, start, out = sys.argv[1:]
torch.manual_seed(int(seed))
end = [T.ToTensor(), T.Normalize([0.5] * 3, [0.5] * 3)]
load = [T.Grayscale(3), T.Resize((int(side), int(side)))]
vary = [T.RandomAffine(15, translate=(0.1, 0.1), scale=(0.8, 1.2)), T.ColorJitter(0.2, 0.2)]


class Films(Dataset):  # type: ignore[type-arg]  # as tutorials write it
    """The films of one part of the split."""

    def __init__(self, part: str, steps: list[object]) -> None:
        rows = csv.DictReader(Path(split).read_text(encoding="utf-8").splitlines())
        self.rows = [row for row in rows if row["split"] == part]
        self.steps = T.Compose(steps)

    def __len__(self) -> int:
        """Number of films."""
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        """One film and its label."""
        row = self.rows[index]
        return self.steps(Image.open(Path(root, row["path"]))), int(row["label"] == "PNEUMONIA")


train = DataLoader(Films("train", [*load, *vary, *end]), batch_size=32, shuffle=True, num_workers=1)
validation = DataLoader(Films("val", [*load, *end]), batch_size=32, num_workers=1)
model: Any = timm.create_model(arch, num_classes=2, drop_rate=0.5)
state = {key: value.float() for key, value in load_file(weights).items() if not key.startswith("classifier")}
model.load_state_dict(state, strict=False)
if start == "small":  # timm draws the last layer of EfficientNets for 1,000 classes
    torch.nn.init.normal_(model.get_classifier().weight, std=0.01)
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
    scores, truth = (torch.cat(parts).numpy() for parts in zip(*answers, strict=True))
    if roc_auc_score(truth, scores) > best:
        best = roc_auc_score(truth, scores)
        np.savez(out, scores=scores, truth=truth)
