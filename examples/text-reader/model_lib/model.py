"""The model: finds the lines of text in a picture, with the networks that RapidOCR brings."""

import io
import json
from pathlib import Path
from typing import Any, Dict, List, Tuple

from PIL import Image, UnidentifiedImageError
from rapidocr_onnxruntime import RapidOCR

from flask_psc_model import ModelBase, load_metadata

METADATA = load_metadata(__file__)

#: The most for which the memory in model.yaml is enough; see the case large-blank.
MAX_PIXELS = 10_000_000


class TextReaderModel(ModelBase):
    """Reads the text of a picture."""

    input_filenames = list(METADATA.inputs)
    output_filenames = list(METADATA.outputs)

    def __init__(self) -> None:
        """Load the networks, which are in the package."""
        self.engine = RapidOCR(
            # larger pictures are made smaller first, which bounds time and memory
            max_side_len=1280,
            # instead of a thread for each CPU of the machine
            intra_op_num_threads=METADATA.resources.cpu.count,
        )

    def run(self, image_path: str, text_path: str) -> None:
        """Read the input files of one job, and write its output files."""
        image = Path(image_path).read_bytes()
        result = self.predict(image)
        Path(text_path).write_text(json.dumps(result, indent=2), encoding="utf-8")

    def predict(self, image: bytes) -> Dict[str, Any]:
        """Return the lines of text, from top to bottom, each with its score and its box.

        Raises:
            ValueError: the input is no picture, or too large.
        """
        picture = open_picture(image)
        found, _ = self.engine(picture)
        lines = [
            {
                "text": text,
                "score": float(score),
                "box": find_box(corners, picture.size),
            }
            for corners, text, score in found or []
        ]
        return {"text": "\n".join(line["text"] for line in lines), "lines": lines}


def find_box(corners: List[List[float]], size: Tuple[int, int]) -> Dict[str, float]:
    """Return the edges of a line, each as a share of the width or height of the picture."""
    width, height = size
    across = [x / width for x, _ in corners]
    down = [y / height for _, y in corners]
    return {
        "left": min(across),
        "top": min(down),
        "right": max(across),
        "bottom": max(down),
    }


def open_picture(image: bytes) -> Image.Image:
    """Return the picture of a file.

    Raises:
        ValueError: the file is no picture, is damaged, or too large.
    """
    try:
        with Image.open(io.BytesIO(image)) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise ValueError(
                    f"the picture has {picture.width} x {picture.height} pixels, expected at most {MAX_PIXELS:,}"
                )
            return picture.convert("RGB")
    except UnidentifiedImageError:
        raise ValueError("image.png is no picture, expected a PNG file") from None
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"image.png is damaged: {error}") from None


if __name__ == "__main__":
    from flask_psc_model.cli import run_model

    run_model.main(TextReaderModel)
