"""LitServe: uvicorn in one process, the model in another, a queue between them."""

# LitServe is installed in this server's own environment only, so its types are unknown elsewhere.
# mypy: disable-error-code="misc"

import sys
from typing import Any

import litserve as ls
from hosted_model import DONE, HostedModel


class ColorAPI(ls.LitAPI):
    """The model behind LitServe's hooks."""

    def setup(self, device: str) -> None:
        """Load the model, in the inference process."""
        self.model = HostedModel()

    def decode_request(self, request: dict[str, str]) -> tuple[str, str]:
        """Take the folders out of the job."""
        return request["input"], request["output"]

    def predict(self, folders: tuple[str, str]) -> dict[str, Any]:
        """Run one job."""
        self.model.run(*folders)
        return DONE

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        """Answer the response object as it is."""
        return output


if __name__ == "__main__":
    server = ls.LitServer(
        ColorAPI(api_path="/run"),
        accelerator="cpu",
        # The default queue: at one client it is a little faster here than `fast_queue`, at eight they are even.
        fast_queue=False,
        healthcheck_path="/status",
        timeout=60,
    )
    server.run(
        host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False, generate_client_file=False
    )
