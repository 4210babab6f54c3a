"""Networks: the table of architectures, building, pretrained weights, inference, Grad-CAM; knows no training."""
