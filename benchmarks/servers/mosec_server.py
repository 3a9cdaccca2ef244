"""mosec: a web server in Rust, the model in a Python process."""

# mosec is installed in this server's own environment only, so its types are unknown elsewhere.
# mypy: disable-error-code="misc"

from typing import Any

from hosted_model import DONE, HostedModel
from mosec import Server, Worker


class ColorWorker(Worker):
    """The model behind mosec's hooks."""

    def __init__(self) -> None:
        super().__init__()
        self.model = HostedModel()

    def forward(self, data: dict[str, str]) -> dict[str, Any]:
        """Run one job."""
        self.model.run(data["input"], data["output"])
        return DONE


if __name__ == "__main__":
    server = Server()
    server.append_worker(ColorWorker, route="/run", timeout=60)
    server.run()
