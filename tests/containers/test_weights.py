"""The ways of docs/server/weights.md to get large weights into a container, on a real engine."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from engine import built, docker
from repository import Repository

if TYPE_CHECKING:
    from conftest import Bake

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("engine"), pytest.mark.xdist_group("containers")]

#: Binary, as weights are.
WEIGHTS = bytes(range(256)) * 1000

#: Of a line of the Dockerfile; what is needed before comes above it.
COPY = "COPY --chmod=755 model_lib/ model_lib/\n"

TOKEN = "hush-hush"


@pytest.fixture
def repository(bake: Bake) -> Repository:
    """Return a repository of this test's own."""
    return bake()


def read_blocks(repository: Repository, title: str, language: str) -> list[str]:
    """Return the blocks of code in a section of the page, in one language."""
    section = re.split("\n##+ ", repository.read("docs/server/weights.md").split(f" {title}\n")[1])[0]
    return re.findall(f"```{language}\n(.*?)```", section, re.DOTALL)


def run_lines(folder: Path, script: str) -> str:
    """Run lines of a block in a folder, and return what they write."""
    return subprocess.run(
        ["bash", "-e", "-c", script], cwd=folder, check=True, stdout=subprocess.PIPE, encoding="utf-8"
    ).stdout


def list_edits(block: str) -> str:
    """Return the lines of a block that edit files."""
    return "\n".join(line for line in block.splitlines() if line.startswith(("echo ", "sed ")))


def write_weights(repository: Repository) -> None:
    """Put weights beside the model."""
    (repository.path / "model_lib" / "weights" / "leaf.onnx").write_bytes(WEIGHTS)


def insert(repository: Repository, lines: str, *, below: bool = False) -> None:
    """Add lines to the Dockerfile, above or below that which copies the model."""
    dockerfile = repository.path / "Dockerfile"
    text = dockerfile.read_text(encoding="utf-8")
    assert text.count(COPY) == 1
    dockerfile.write_text(text.replace(COPY, COPY + lines if below else lines + COPY), encoding="utf-8")


def hash_in(image: str, *options: str, path: str = "model_lib/weights/leaf.onnx") -> str:
    """Return the checksum of the weights that a container has for any user."""
    return docker("run", "--rm", "--user=12345", *options, image, "sha256sum", path).split()[0]


DIGEST = hashlib.sha256(WEIGHTS).hexdigest()


@contextmanager
def serve_weights(token: str = "") -> Iterator[str]:
    """Serve the weights, to those who have a token where there is one, behind a redirect; yield the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            authorization = self.headers.get("Authorization", "")
            if self.path == "/leaf-1.0.onnx":
                allowed = not token or authorization == f"Bearer {token}"
                self.send_response(302 if allowed else 401)
                self.send_header("Location", "/elsewhere")
                self.end_headers()
            else:
                # the token is for the first server only
                self.send_response(400 if authorization else 200)
                self.end_headers()
                self.wfile.write(WEIGHTS)

        def log_message(self, *args: object) -> None:
            """Log nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/leaf-1.0.onnx"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def download_in_build(repository: Repository, url: str, digest: str) -> None:
    """Follow the section about a download, for an address and a checksum."""
    title = "A download in the build"
    [script], [lines], [commands] = (read_blocks(repository, title, each) for each in ("python", "dockerfile", "bash"))
    script = script.replace("https://example.com/leaf-1.0.onnx", url)
    script = script.replace("the output of sha256sum leaf-1.0.onnx", digest)
    (repository.path / "fetch_weights.py").write_text(script, encoding="utf-8")
    insert(repository, lines)
    run_lines(repository.path, list_edits(commands))


def test_a_download_is_in_the_image_for_any_user(repository: Repository) -> None:
    with serve_weights() as url:
        download_in_build(repository, url, DIGEST)
        run_lines(repository.path, "python3 fetch_weights.py")
        assert (repository.path / "model_lib" / "weights" / "leaf.onnx").read_bytes() == WEIGHTS
        with built(repository, "psc-test-download") as image:
            assert hash_in(image) == DIGEST
            steps = docker("history", "--no-trunc", "--format", "{{.CreatedBy}} {{.Size}}", image).splitlines()
    # once, not with the code again
    [download] = [step for step in steps if "RUN" in step and "fetch_weights.py" in step]
    [code] = [step for step in steps if "COPY" in step and "model_lib/" in step]
    assert download.endswith(" 256kB")
    assert re.search(r" \d\d?(\.\d+)?kB$", code), code


def test_a_download_that_has_changed_stops_the_build(repository: Repository, capfd: pytest.CaptureFixture[str]) -> None:
    with serve_weights() as url:
        download_in_build(repository, url, "0" * 64)
        with pytest.raises(subprocess.CalledProcessError), built(repository, "psc-test-changed"):
            pass
    assert f"error: the checksum of {url} is {DIGEST}" in capfd.readouterr().err


def test_a_token_is_a_secret_of_the_build(
    repository: Repository, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    secret = tmp_path / "weights-token"
    secret.write_text(f"{TOKEN}\n", encoding="utf-8")
    [command] = read_blocks(repository, "A build secret", "bash")
    [option] = re.findall(r"--secret \S+", command)
    option = option.replace("$HOME/weights-token", str(secret)).replace(" ", "=", 1)
    with serve_weights(TOKEN) as url:
        download_in_build(repository, url, DIGEST)
        with pytest.raises(subprocess.CalledProcessError), built(repository, "psc-test-token"):
            pass
        assert "401" in capfd.readouterr().err
        with built(repository, "psc-test-token", option) as image:
            assert hash_in(image) == DIGEST
            known = docker("history", "--no-trunc", image) + docker("inspect", image)
            search = f"grep -rls {TOKEN} /etc /opt /run /tmp /root || true"
            found = docker("run", "--rm", "--user=0", image, "sh", "-c", search)
    assert TOKEN not in known
    assert found == ""


def test_a_volume_holds_the_weights(repository: Repository) -> None:
    write_weights(repository)
    [block] = read_blocks(repository, "A volume", "bash")
    run_lines(repository.path, list_edits(block))
    [volume] = re.findall(r'-v "(.*?)"', block)
    option = "--volume=" + volume.replace("$PWD", str(repository.path))
    with built(repository, "psc-test-volume") as image:
        missing = docker("run", "--rm", image, "ls", "model_lib/weights")
        assert "leaf.onnx" not in missing
        assert hash_in(image, option) == DIGEST
        write = "touch model_lib/weights/new 2>&1 || true"
        assert "Read-only" in docker("run", "--rm", "--user=0", option, image, "sh", "-c", write)


def test_weights_in_a_layer_of_their_own_are_copied_once(
    repository: Repository, capfd: pytest.CaptureFixture[str]
) -> None:
    write_weights(repository)
    [block] = read_blocks(repository, "A layer of their own", "bash")
    run_lines(repository.path, "git init --quiet && git add --force .")
    run_lines(repository.path, block)
    with built(repository, "psc-test-layer") as image:
        assert hash_in(image, path="weights/leaf.onnx") == DIGEST
        with (repository.path / "model_lib" / "model.py").open("a", encoding="utf-8") as file:
            # no build has cached it
            file.write(f"\n# {uuid.uuid4()}\n")
        capfd.readouterr()
        docker("build", "--progress=plain", "--network=host", "--tag", image, repository.path)
        log = capfd.readouterr().err
    cached = re.findall(r"^#(\d+) CACHED$", log, re.MULTILINE)
    steps = {path: number for number, path in re.findall(r"^#(\d+) \[.*\] COPY \S+ (\S+) ", log, re.MULTILINE)}
    assert steps["weights/"] in cached, log
    assert steps["model_lib/"] not in cached


@pytest.fixture
def lfs(repository: Repository, tmp_path: Path) -> Path:
    """Return a remote repository with the weights in Git LFS."""
    if not shutil.which("git-lfs"):
        pytest.skip("there is no Git LFS on this machine")
    remote = tmp_path / "remote.git"
    prepare = f"""
        git init --quiet --initial-branch=main
        git config user.name A; git config user.email a@example.com
        git init --quiet --bare --initial-branch=main {remote}
        git remote add origin file://{remote}
    """
    run_lines(repository.path, prepare)
    write_weights(repository)
    commands, [line] = read_blocks(repository, "Git LFS", "bash"), read_blocks(repository, "Git LFS", "dockerfile")
    insert(repository, line, below=True)
    # the settings of this repository only
    run_lines(repository.path, commands[0].replace("git lfs install", "git lfs install --local"))
    run_lines(repository.path, "git add . && git commit --quiet -m Rest && git push --quiet origin main")
    return remote


def clone(remote: Path, folder: Path, options: str) -> Repository:
    """Clone a repository with some settings of Git."""
    run_lines(folder.parent, f"git {options} clone --quiet file://{remote} {folder}")
    return Repository(folder)


#: What `git lfs install` writes into the settings of the user.
FILTER = "-c filter.lfs.smudge='git-lfs smudge -- %f' -c filter.lfs.process='git-lfs filter-process'"


def test_weights_come_from_git_lfs(lfs: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    complete = clone(lfs, tmp_path / "complete", FILTER)
    assert (complete.path / "model_lib" / "weights" / "leaf.onnx").read_bytes() == WEIGHTS
    with built(complete, "psc-test-lfs") as image:
        assert hash_in(image) == DIGEST
    pointers = clone(lfs, tmp_path / "pointers", "")
    assert (pointers.path / "model_lib" / "weights" / "leaf.onnx").stat().st_size < 200
    capfd.readouterr()
    with pytest.raises(subprocess.CalledProcessError), built(pointers, "psc-test-pointers"):
        pass
    assert "model_lib/weights/leaf.onnx" in capfd.readouterr().err
