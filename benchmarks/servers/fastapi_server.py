"""FastAPI, served by uvicorn with uvloop and httptools."""

# FastAPI is installed in this server's own environment only, so its types are unknown elsewhere.
# mypy: disable-error-code="misc, untyped-decorator"

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from hosted_model import DONE, READY, HostedModel
from pydantic import BaseModel


class Job(BaseModel):
    """The body of `POST /run`."""

    type: str
    input: str
    output: str


class Answer(BaseModel):
    """The response object."""

    statusCode: int
    status: str
    message: str


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Load the model before the first request."""
    app.state.model = HostedModel()
    yield


app = FastAPI(lifespan=lifespan)


@app.get("/status")
async def status() -> Answer:
    """Answer that the model is ready."""
    return Answer(**READY)


@app.post("/run")
def run(job: Job, request: Request) -> Answer:
    """Run one job; not `async`, so that FastAPI runs it in a thread and the event loop stays free."""
    request.app.state.model.run(job.input, job.output)
    return Answer(**DONE)
