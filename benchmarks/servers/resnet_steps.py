"""The three steps of a picture job with a ResNet-50 on the GPU."""

# PyTorch and Pillow are installed in the environments of the servers only.
# mypy: disable-error-code="misc, no-any-return, untyped-decorator"

import json
from typing import Any

import numpy as np
import torch
from PIL import Image
from torchvision.models import resnet50

SIZE = (224, 224)


class Steps:
    """Reads a picture, classifies it, and writes the class; the weights are random, which costs the same time."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self._network = resnet50().eval().cuda()

    def preprocess(self, path: str) -> Any:
        """Decode and scale a picture."""
        with Image.open(path) as image:
            return torch.from_numpy(np.array(image.convert("RGB").resize(SIZE))).permute(2, 0, 1)

    @torch.inference_mode()
    def predict(self, batch: list[Any]) -> list[int]:
        """Return the class of each picture."""
        pictures = torch.stack(batch).cuda().float() / 255
        return self._network(pictures).argmax(1).tolist()

    def postprocess(self, result: int, path: str) -> None:
        """Write a class as JSON."""
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"class": result}, file)
