"""The trainer beside a plain fine-tune of timm and torchvision: the same films, weights and epochs."""
