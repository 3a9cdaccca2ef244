"""Makes the pictures of picture jobs, which take about as long as they should to decode and scale.

Run as a program in an environment with Pillow: FOLDER COUNT MILLISECONDS. It writes the pictures, and the
milliseconds that one takes on standard output.
"""

import io
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from .errors import BenchmarkFailed

SCALED = (224, 224)


def make_pictures(python: Path, folder: Path, count: int, milliseconds: float) -> tuple[list[bytes], float]:
    """Return different pictures, and the milliseconds of CPU that one takes.

    Args:
        python: the interpreter of an environment with Pillow.
        folder: a new folder for them.
        count: how many.
        milliseconds: of CPU that decoding and scaling one should take.

    Raises:
        BenchmarkFailed: they cannot be made.
    """
    folder.mkdir()
    command = [str(python), "-m", "harness.pictures", str(folder), str(count), str(milliseconds)]
    home = Path(__file__).resolve().parent.parent
    result = subprocess.run(command, cwd=home, capture_output=True, text=True)
    if result.returncode:
        raise BenchmarkFailed(f"cannot make the pictures:\n{result.stderr.strip()}")
    return [path.read_bytes() for path in sorted(folder.iterdir())], float(result.stdout)


def _main(folder: Path, count: int, milliseconds: float) -> None:
    height = 600
    for _ in range(3):
        taken = _measure(_make(0, height))
        height = max(SCALED[1], round(height * (milliseconds / taken) ** 0.5))
    for number in range(count):
        (folder / f"{number:03}.jpg").write_bytes(_make(number, height))
    print(_measure(_make(0, height)))


def _make(seed: int, height: int) -> bytes:
    """Return a JPEG of soft spots, about as complex as a photograph."""
    from PIL import Image

    numbers = random.Random(seed)
    spots = bytes(numbers.randrange(256) for _ in range(60 * 80 * 3))
    image: Any = Image.frombytes("RGB", (80, 60), spots).resize((height * 4 // 3, height), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=85)
    return file.getvalue()


def _measure(picture: bytes) -> float:
    from PIL import Image

    times = []
    for _ in range(20):
        started = time.process_time()
        with Image.open(io.BytesIO(picture)) as image:
            image.convert("RGB").resize(SCALED)
        times.append(time.process_time() - started)
    return min(times) * 1000


if __name__ == "__main__":
    _main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
