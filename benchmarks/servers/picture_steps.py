"""The three steps of a picture job, with an accelerator that sleeps."""

# Pillow is installed in the environments of the servers only.
# mypy: disable-error-code="no-any-return"

import json
import os
import time
import zlib

from PIL import Image

SIZE = (224, 224)


class Steps:
    """Reads a picture, computes what is as long as the environment variables say, and writes a class."""

    def __init__(self) -> None:
        self._call_ms = float(os.environ["BENCH_CALL_MS"])
        self._picture_ms = float(os.environ["BENCH_PICTURE_MS"])

    def preprocess(self, path: str) -> bytes:
        """Decode and scale a picture."""
        with Image.open(path) as image:
            return image.convert("RGB").resize(SIZE).tobytes()

    def predict(self, batch: list[bytes]) -> list[int]:
        """Return the class of each picture."""
        time.sleep((self._call_ms + self._picture_ms * len(batch)) / 1000)
        return [zlib.crc32(picture) % 1000 for picture in batch]

    def postprocess(self, result: int, path: str) -> None:
        """Write a class as JSON."""
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"class": result}, file)
