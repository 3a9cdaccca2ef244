"""The Kubernetes manifests: resources and times of `model.yaml`, and sound objects."""

import os
import re
import runpy
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import click
import pytest
import yaml
from flask_psc_model.cli.kubernetes import main
from flask_psc_model.model.metadata import Metadata
from flask_psc_model.model.spec import ModelSpec
from flask_psc_model.tools.kubernetes import names
from flask_psc_model.tools.kubernetes.manifests import fill_in, quote
from flask_psc_model.tools.kubernetes.values import (
    count_seconds,
    format_cpus,
    format_memory,
    list_resources,
)
from flask_psc_model.version import __version__
from hypothesis import example, given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from . import models
from .commands import run_python
from .processes import wait_until
from .project import make_project, serve, write
from .template import TEMPLATE

IMAGE = "registry.example.com/team/leaves:1.2.3"

METADATA = {
    "name": "Leaf Disease Finder",
    "version": "1.2.3",
    "resources": {
        "memory": {"size": "1.5G"},
        "cpu": {"count": 0.5},
        "gpu": {"count": 0},
    },
    "timeout": {"status": "2m", "run": "1m30s"},
}

#: What the documentation of Kubernetes says of names, as one pattern.
RFC_1035 = re.compile("[a-z]([-a-z0-9]{0,61}[a-z0-9])?")

SERVER_KINDS = [
    "Deployment",
    "Service",
    "HorizontalPodAutoscaler",
    "PodDisruptionBudget",
]

#: Where the manifests are, before they are filled in.
FILES = os.path.join(TEMPLATE, "flask_psc_model", "tools", "kubernetes")

BINARY_UNITS = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4}


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """Return the working directory, which has a `model.yaml`."""
    describe(tmp_path, METADATA)
    monkeypatch.chdir(str(tmp_path))
    return tmp_path


@pytest.fixture
def make_manifests(repository, capsys):
    """Return a function that calls the command and returns what it prints, parsed."""

    def make(*args):
        main(["--image", IMAGE] + list(args), standalone_mode=False)
        return list(yaml.safe_load_all(capsys.readouterr().out))

    return make


def describe(folder, metadata):
    """Write a `model.yaml`."""
    write(str(folder), "model.yaml", yaml.safe_dump(metadata, allow_unicode=True))


def limit(**timeouts):
    """Return limits with these times."""
    return ModelSpec.decode(Metadata({"timeout": timeouts})).limits


def fill_in_server(limits=None, **values):
    """Return the manifests of a server with these limits and values, parsed."""
    given = {
        **{"name": "a", "namespace": None, "version": "", "runtime": "1", "image": "a"},
        **{"user": 0, "group": None, "cpu": "1", "memory": "1Gi", "gpus": 0},
        **{"port": 8080, "claim": None, "replicas": 1, "max_replicas": 2},
        **count_seconds(limits or limit()),
        **values,
    }
    return list(yaml.safe_load_all(fill_in("server.yaml", given)))


def find_pod(manifest):
    """Return the `spec` of the pods of a manifest."""
    return manifest["spec"]["template"]["spec"]


def find_container(manifest):
    """Return the only container of the pods of a manifest."""
    [container] = find_pod(manifest)["containers"]
    return container


def find_labels(manifest):
    """Return the labels of the pods of a manifest."""
    return manifest["spec"]["template"]["metadata"]["labels"]


def read_quantity(text):
    """Return the number that Kubernetes takes a quantity for."""
    number, unit = re.fullmatch("([0-9]+)(m|[KMGT]i)?", text).groups()
    if unit == "m":
        return Decimal(number) / 1000
    return int(number) * 1024 ** BINARY_UNITS.get(unit, 0)


# --- the figures of model.yaml ---------------------------------------------------


def test_a_pod_is_given_what_the_model_needs(make_manifests):
    resources = find_container(make_manifests()[0])["resources"]
    assert resources["requests"] == {"cpu": "500m", "memory": "1536Mi"}
    assert resources["limits"] == resources["requests"]


@pytest.mark.parametrize("args", [(), ("--job", "--claim", "jobs")])
def test_a_gpu_is_requested_where_the_model_needs_one(repository, make_manifests, args):
    resources = {"memory": {"size": "2G"}, "cpu": {"count": 4}, "gpu": {"count": 2}}
    describe(repository, dict(METADATA, resources=resources))
    expected = {"cpu": "4", "memory": "2Gi", "nvidia.com/gpu": "2"}
    asked = find_container(make_manifests(*args)[0])["resources"]
    assert asked == {"requests": expected, "limits": expected}


@pytest.mark.parametrize("gpus", [0, 1])
def test_a_new_pod_waits_for_the_gpu_of_an_old_one(repository, make_manifests, gpus):
    resources = dict(METADATA["resources"], gpu={"count": gpus})
    describe(repository, dict(METADATA, resources=resources))
    rolling = {"maxSurge": 0, "maxUnavailable": 1}
    strategy = {"type": "RollingUpdate", "rollingUpdate": rolling} if gpus else None
    assert make_manifests()[0]["spec"].get("strategy") == strategy


def test_temporary_files_have_a_limit(make_manifests):
    for args in ([], ["--job", "--claim", "jobs"]):
        volumes = find_pod(make_manifests(*args)[0])["volumes"]
        [tmp] = [each for each in volumes if each["name"] == "tmp"]
        assert tmp["emptyDir"] == {"sizeLimit": "1Gi"}


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (512 * 1024**2, "512Mi"),
        (2 * 1024**3, "2Gi"),
        (1024**3 * 3 // 2, "1536Mi"),
        (1024**4, "1Ti"),
        (2048 * 1024**4, "2048Ti"),
        (1024, "1Ki"),
        (1000, "1000"),
        (512 * 10**6, "500000Ki"),
    ],
)
def test_memory_is_written_in_binary_units(size, text):
    assert format_memory(size) == text


@pytest.mark.parametrize(
    ("cpus", "text"),
    [
        (1.0, "1"),
        (16.0, "16"),
        (0.5, "500m"),
        (1.5, "1500m"),
        (0.29, "290m"),
        (0.0001, "1m"),
        (1.0001, "1001m"),
    ],
)
def test_cpus_are_written_in_thousandths_or_whole(cpus, text):
    assert format_cpus(cpus) == text


@given(st.integers(1, 2**60))
def test_every_size_is_exact(size):
    assert read_quantity(format_memory(size)) == size


@given(st.floats(1e-9, 1e6))
def test_cpus_are_never_fewer_than_requested(cpus):
    assert 0 <= read_quantity(format_cpus(cpus)) - Decimal(repr(cpus)) < Decimal("1e-3")


# --- the three probes ------------------------------------------------------------

durations = st.floats(0.001, 10**6).map("{:.3f}s".format)


@pytest.mark.parametrize(
    ("status", "startup", "readiness", "liveness"),
    [
        ("500ms", (2, 2, 16), (5, 5, 3), (30, 6, 3)),
        ("60s", (2, 2, 45), (5, 5, 3), (30, 65, 3)),
        ("10m", (20, 20, 32), (20, 20, 3), (30, 605, 3)),
    ],
)
def test_the_figures_of_the_probes_follow_from_the_time_to_load(
    repository, make_manifests, status, startup, readiness, liveness
):
    describe(repository, dict(METADATA, timeout={"status": status}))
    container = find_container(make_manifests()[0])
    keys = ("periodSeconds", "timeoutSeconds", "failureThreshold")
    for kind, expected in (
        ("startupProbe", startup),
        ("readinessProbe", readiness),
        ("livenessProbe", liveness),
    ):
        assert tuple(container[kind][key] for key in keys) == expected


@given(durations)
def test_the_model_may_take_its_time_to_load(status):
    limits = limit(status=status)
    container = find_container(fill_in_server(limits)[0])
    probe = container["startupProbe"]
    seconds = probe["periodSeconds"] * probe["failureThreshold"]
    # until the server listens on a busy node
    assert seconds >= limits.status_timeout + 30
    # whether it fails at once or takes too long
    assert probe["timeoutSeconds"] == probe["periodSeconds"]
    assert container["livenessProbe"]["timeoutSeconds"] > limits.status_timeout


@given(durations)
def test_probes_that_are_given_up_leave_threads_for_jobs(status):
    limits = limit(status=status)
    container = find_container(fill_in_server(limits)[0])
    for kind in ("startupProbe", "readinessProbe"):
        assert limits.status_timeout / container[kind]["periodSeconds"] <= 30


@pytest.mark.server
def test_the_probes_pass_during_a_run_and_after_a_crash(make_manifests, tmp_path, job):
    container = find_container(make_manifests()[0])
    kinds = ("startupProbe", "readinessProbe", "livenessProbe")
    paths = [container[kind]["httpGet"]["path"] for kind in kinds]
    gate = tmp_path / "gate"
    project = make_project(tmp_path / "project", models.ACTOR)
    with serve(project) as server, ThreadPoolExecutor(1) as pool:

        def probe():
            return {server.client.get(path).status_code for path in paths}

        def run(line):
            return server.client.post("/run", json=job.give(line).body).status_code

        assert probe() == {200}
        running = pool.submit(run, "wait-for {}".format(gate))
        try:
            wait_until(job.outputs)
            assert probe() == {200}
            assert not running.done()
        finally:
            gate.touch()
        assert running.result() == 200
        assert run("kill 9") == 500
        assert probe() == {200}


# --- the end of a pod ------------------------------------------------------------


@pytest.mark.parametrize("run", ["500ms", "20s", "1h", "1.2s"])
def test_a_pod_is_not_killed_before_its_server_has_ended(tmp_path, monkeypatch, run):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    project = make_project(tmp_path / "project", models.ECHO, {"run": run})
    settings = runpy.run_path(project + "/gunicorn.conf.py")
    limits = ModelSpec.load(project).limits
    seconds = find_pod(fill_in_server(limits)[0])["terminationGracePeriodSeconds"]
    # the first five are those of preStop
    assert seconds >= 5 + settings["graceful_timeout"] + 5
    assert seconds >= 5 + limits.run_timeout + 5


def test_the_pod_has_time_to_leave_the_service_beside(make_manifests):
    pod = find_pod(make_manifests()[0])
    [container] = pod["containers"]
    [command, seconds] = container["lifecycle"]["preStop"]["exec"]["command"]
    assert command == "sleep"
    assert pod["terminationGracePeriodSeconds"] == int(seconds) + 90 + 20


# --- the manifests together ------------------------------------------------------


def test_the_server_is_four_objects_of_one_name(make_manifests):
    manifests = make_manifests()
    assert [each["kind"] for each in manifests] == SERVER_KINDS
    for each in manifests:
        assert each["metadata"] == {
            "name": "leaf-disease-finder",
            "labels": {
                "app.kubernetes.io/name": "leaf-disease-finder",
                "app.kubernetes.io/component": "server",
                "app.kubernetes.io/version": "1.2.3",
                "flask-psc-model/version": __version__,
            },
        }


def test_the_objects_find_each_other(make_manifests):
    deployment, service, autoscaler, budget = make_manifests("--port", "9000")
    selector = deployment["spec"]["selector"]["matchLabels"]
    assert selector.items() <= find_labels(deployment).items()
    assert service["spec"]["selector"] == selector
    assert budget["spec"]["selector"]["matchLabels"] == selector
    target = autoscaler["spec"]["scaleTargetRef"]
    assert target == {
        "apiVersion": deployment["apiVersion"],
        "kind": deployment["kind"],
        "name": deployment["metadata"]["name"],
    }
    container = find_container(deployment)
    assert container["env"] == [{"name": "PSC_MODEL_PORT", "value": "9000"}]
    [port] = container["ports"]
    assert port == {"name": "http", "containerPort": 9000}
    [published] = service["spec"]["ports"]
    assert published == {"name": "http", "port": 9000, "targetPort": "http"}
    for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[kind]["httpGet"] == {"path": "/status", "port": "http"}


def test_the_service_sends_nothing_to_the_pods_of_a_bulk_run(make_manifests):
    selector = make_manifests()[1]["spec"]["selector"]
    [job] = make_manifests("--job", "--claim", "jobs")
    assert not selector.items() <= find_labels(job).items()


@pytest.mark.parametrize("args", [(), ("--job", "--claim", "jobs")])
def test_the_pods_may_do_no_more_than_they_need(make_manifests, args):
    manifest = make_manifests(*args)[0]
    pod, container = find_pod(manifest), find_container(manifest)
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "runAsGroup": 1000,
        "fsGroup": 1000,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    assert mounts == {"data": "/data", "tmp": "/tmp"}
    assert [each["name"] for each in pod["volumes"]] == list(mounts)


@pytest.mark.parametrize(
    ("user", "ids"),
    [
        ("1000:1000", (1000, 1000, 1000)),
        ("12345:23456", (12345, 23456, 23456)),
        # the group is the one that the image gives the user
        ("1000", (1000, None, 1000)),
        ("1000:root", (1000, 0, 0)),
    ],
)
def test_the_pods_run_as_the_user_of_the_dockerfile(
    repository, make_manifests, user, ids
):
    stages = "FROM a AS b\nUSER root\nFROM b\nuser 5\n# USER 6\nRUN id\nUSER  {}\n"
    write(str(repository), "Dockerfile", stages.format(user))
    for args in ((), ("--job", "--claim", "jobs")):
        manifest = make_manifests(*args)[0]
        context = find_pod(manifest)["securityContext"]
        keys = ("runAsUser", "runAsGroup", "fsGroup")
        assert tuple(map(context.get, keys)) == ids
        assert context["runAsNonRoot"] is True
        capabilities = find_container(manifest)["securityContext"]["capabilities"]
        assert capabilities == {"drop": ["ALL"]}


@pytest.mark.parametrize(
    "lines",
    [
        "USER \\\n  # not root\n\n  5:6\n",
        "USER 5:6\nRUN echo \\\nUSER 7\n",
        "USER 5:6\nRUN cat <<END\nUSER 7\nEND\n",
    ],
)
def test_the_user_is_that_of_an_instruction(repository, make_manifests, lines):
    write(str(repository), "Dockerfile", "FROM a\n" + lines)
    context = find_pod(make_manifests()[0])["securityContext"]
    assert (context["runAsUser"], context["runAsGroup"]) == (5, 6)


@pytest.mark.parametrize("user", ["root", "0", "0:0", "root:root"])
def test_root_may_write_to_the_claim_whoever_owns_it(repository, make_manifests, user):
    write(str(repository), "Dockerfile", "FROM a\nUSER " + user)
    manifest = make_manifests()[0]
    assert find_pod(manifest)["securityContext"] == {
        "runAsNonRoot": False,
        "runAsUser": 0,
        "runAsGroup": 0,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert find_container(manifest)["securityContext"]["capabilities"] == {
        "drop": ["ALL"],
        "add": ["DAC_OVERRIDE", "FOWNER"],
    }


def test_the_claim_is_the_data_volume(make_manifests):
    volumes = find_pod(make_manifests("--claim", "jobs.of-2026")[0])["volumes"]
    claim = {"claimName": "jobs.of-2026"}
    assert volumes[0] == {"name": "data", "persistentVolumeClaim": claim}
    assert find_pod(make_manifests()[0])["volumes"][0] == {
        "name": "data",
        "emptyDir": {},
    }


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ((), (1, 4)),
        (("--replicas", "3"), (3, 12)),
        (("--replicas", "3", "--max-replicas", "3"), (3, 3)),
        (("--max-replicas", "20"), (1, 20)),
    ],
)
def test_the_number_of_pods_is_the_autoscalers(make_manifests, args, expected):
    deployment, _, autoscaler, budget = make_manifests(*args)
    spec = autoscaler["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == expected
    assert "replicas" not in deployment["spec"]
    # a node with the only pod can be emptied
    assert budget["spec"]["maxUnavailable"] == 1


@pytest.mark.parametrize("args", [(), ("--job", "--claim", "jobs")])
def test_every_object_is_in_the_namespace(make_manifests, args):
    manifests = make_manifests("--namespace", "2-models", *args)
    assert len(manifests) == (1 if args else len(SERVER_KINDS))
    assert {each["metadata"]["namespace"] for each in manifests} == {"2-models"}


# --- bulk runs -------------------------------------------------------------------


def test_a_bulk_run_is_a_job_with_a_pod_for_each_shard(make_manifests):
    [job] = make_manifests("--job", "--claim", "jobs", "--shards", "8")
    assert job["kind"] == "Job"
    spec = dict(job["spec"])
    del spec["template"]
    assert spec == {
        "completionMode": "Indexed",
        "completions": 8,
        "parallelism": 8,
        "backoffLimitPerIndex": 3,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {
            "rules": [
                make_exit_rule("FailJob", 2),
                make_exit_rule("FailIndex", 3),
                {
                    "action": "Ignore",
                    "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
                },
            ]
        },
        "ttlSecondsAfterFinished": 604800,
    }
    pod, container = find_pod(job), find_container(job)
    # Kubernetes takes a limit for each index with no other policy
    assert pod["restartPolicy"] == "Never"
    assert container["env"] == [{"name": "PSC_SHARD_COUNT", "value": "8"}]
    module = ["python", "-m", "flask_psc_model.cli.run_many"]
    folders = ["/data/inputs", "/data/outputs"]
    options = ["--resume", "--retries", "2", "--accept-refused", "--processes", "1"]
    assert container["command"] == module + folders + options
    assert container["resources"]["limits"] == {"cpu": "500m", "memory": "1536Mi"}
    assert pod["terminationGracePeriodSeconds"] == 90 + 20
    # it is no server
    assert not {"ports", "livenessProbe", "lifecycle"} & set(container)


def make_exit_rule(action, status):
    """Return the rule for an exit status of the model's container."""
    exits = {"containerName": "model", "operator": "In", "values": [status]}
    return {"action": action, "onExitCodes": exits}


@pytest.mark.parametrize(("given", "parallelism"), [("3", 3), ("9", 8)])
def test_fewer_pods_than_shards_may_run_at_once(make_manifests, given, parallelism):
    args = ["--job", "--claim", "jobs", "--shards", "8", "--parallelism", given]
    [job] = make_manifests(*args)
    assert (job["spec"]["completions"], job["spec"]["parallelism"]) == (8, parallelism)


@pytest.mark.parametrize("folder", ["a/b", "/data/a/b", "a/./x/../b"])
def test_the_folders_of_a_bulk_run_are_in_the_claim(make_manifests, folder):
    args = ["--job", "--claim", "jobs", "--inputs", folder, "--outputs", folder + "c"]
    command = find_container(make_manifests(*args)[0])["command"]
    assert command[3] == "/data/a/b"
    assert command[4].startswith("/data/a/b")


@pytest.mark.parametrize(
    ("inputs", "outputs", "text"),
    [
        ("/etc", "outputs", "'/etc' is not in the claim"),
        ("../x", "outputs", "'../x' is not in the claim"),
        ("/database", "outputs", "'/database' is not in the claim"),
        ("inputs", "a/../../b", "'a/../../b' is not in the claim"),
        ("a\nb", "outputs", r"'a\nb' is not in the claim"),
        ("a", "a", "--outputs /data/a is in --inputs /data/a"),
        ("a", "/data/a/", "--outputs /data/a is in --inputs /data/a"),
        ("a", "a/b", "where every folder is a job"),
        (".", "outputs", "where every folder is a job"),
    ],
)
def test_folders_that_a_bulk_run_cannot_use_are_refused(
    repository, inputs, outputs, text
):
    args = ["--job", "--claim", "jobs", "--inputs", inputs, "--outputs", outputs]
    ending = run_python(
        *["-m", "flask_psc_model.cli.kubernetes", "--image", IMAGE] + args,
        folder=repository,
        PYTHONPATH=TEMPLATE,
    )
    assert ending.code == 1, ending
    assert ending.output == ""
    assert text in ending.errors


DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    "image",
    [
        "model",
        "model:latest",
        "team/my-model_a__b.c:1.0_X",
        "localhost:5000/model",
        "Registry.Example.com/team/model:1",
        "[::1]:5000/model",
        "registry.example.com:443/a/b/c@" + DIGEST,
        "model:1.0@" + DIGEST,
    ],
)
def test_the_name_of_an_image_is_accepted(image):
    assert names.check_image(image) == image


@pytest.mark.parametrize(
    "image",
    [
        "",
        "a b",
        "My-Image:Latest",
        "team/Model",
        "http://example.com/model",
        "a@sha256:xyz",
        "a@" + DIGEST[:-1],
        "a:b:c",
        "a:" + "t" * 129,
        "a/",
        "/a",
        "a//b",
        "-a",
        "a:-b",
        "a\n",
        "a" * 256,
    ],
)
def test_what_no_registry_accepts_is_no_image(image):
    with pytest.raises(ValueError, match="is not the name of an image"):
        names.check_image(image)


def test_a_container_without_enough_memory_to_start_is_refused(repository):
    describe(repository, dict(METADATA, resources={"memory": {"size": "5M"}}))
    limits = ModelSpec.load(str(repository)).limits._replace(cpus=1.0)
    with pytest.raises(ValueError, match="x.yaml: resources.memory.size is 5M: a"):
        list_resources(limits, "x.yaml")
    enough = limits._replace(memory=6 * 1024**2)
    assert list_resources(enough)["memory"] == "6Mi"


def test_a_missing_resource_is_named_with_the_path_of_its_file(repository):
    describe(repository, dict(METADATA, resources={}))
    ending = run_python(
        *["-m", "flask_psc_model.cli.kubernetes", "--image", IMAGE],
        folder=repository,
        PYTHONPATH=TEMPLATE,
    )
    path = str(repository / "model.yaml")
    assert "error: {} has no resources.cpu.count".format(path) in ending.errors


# --- names -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Color Name Predictor", "color-name-predictor"),
        ("  a_b.c  (new) ", "a-b-c-new"),
        ("Détecteur d'été", "detecteur-d-ete"),
        ("3D Net", "model-3d-net"),
        ("x" * 56 + " y", "x" * 56),
        ("日本 v2", "v2"),
    ],
)
def test_a_name_is_made_of_the_models_own(title, name):
    assert names.make_name(title) == name


@given(st.text())
def test_whatever_is_made_of_a_title_is_a_name_or_an_error(title):
    try:
        name = names.make_name(title)
    except ValueError as error:
        assert "no letter" in str(error)
        assert not re.search("[A-Za-z0-9]", title)
        return
    assert names.check_name("name", name) == name
    assert RFC_1035.fullmatch("{}-{}".format(name, names.MAX_SHARDS - 1))


@given(st.text("aZ09-.é\n", max_size=70))
def test_a_name_that_is_taken_is_one(text):
    for kind, pattern in (
        ("name", "[a-z]([-a-z0-9]{0,55}[a-z0-9])?"),
        ("namespace", "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"),
        ("claim", r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?"),
    ):
        try:
            names.check_name(kind, text)
        except ValueError as error:
            assert repr(text) in str(error)
            assert kind == "claim" or not re.fullmatch(pattern, text)
        else:
            assert re.fullmatch(pattern, text)


@pytest.mark.parametrize("text", ["a..b", "a.-b", "-a", "a.", "", "A", "a" * 254])
def test_a_claim_that_none_can_be_is_refused(text):
    with pytest.raises(ValueError, match="is no claim"):
        names.check_name("claim", text)


@given(st.text(max_size=80))
def test_a_version_becomes_the_value_of_a_label(text):
    value = names.make_label_value(text)
    assert len(value) <= 63
    assert re.fullmatch("([A-Za-z0-9]([-_.A-Za-z0-9]*[A-Za-z0-9])?)?", value)


@pytest.mark.parametrize(
    ("version", "value"),
    [("0.1.0", "0.1.0"), ("1.0+cpu", "1.0-cpu"), (1.5, "1.5"), ("?", None)],
)
def test_the_version_is_a_label(repository, make_manifests, version, value):
    describe(repository, dict(METADATA, version=version))
    labels = [manifest["metadata"]["labels"] for manifest in make_manifests()]
    assert {each.get("app.kubernetes.io/version") for each in labels} == {value}


# --- the text --------------------------------------------------------------------


def test_standard_output_has_the_manifests_and_nothing_else(repository):
    command = ["-m", "flask_psc_model", "kubernetes", "--image", IMAGE]
    ending = run_python(*command, folder=repository, PYTHONPATH=TEMPLATE)
    assert ending.code == 0, ending
    assert ending.output.startswith("---\napiVersion: apps/v1\nkind: Deployment\n")
    assert ending.output.count("\n---\n") == 3
    assert len(list(yaml.safe_load_all(ending.output))) == 4
    [note] = ending.errors.splitlines()
    assert note.startswith("note: without --claim, /data is")
    again = run_python(
        *command + ["--claim", "jobs"], folder=repository, PYTHONPATH=TEMPLATE
    )
    assert again.errors == ""
    volume = "emptyDir: {}", "persistentVolumeClaim:\n            claimName: jobs"
    assert again.output == ending.output.replace(*volume, 1)


@pytest.mark.parametrize(
    "text", ["y", "no", "1e3", "0o7", "0x1f", "12", "-", "a", "", "ab:", "null"]
)
def test_a_text_stays_one_for_every_reader_of_yaml(text):
    assert quote(text) == '"{}"'.format(text)


@pytest.mark.parametrize("text", ["leaves", "/data/a_b", IMAGE])
def test_a_text_that_needs_no_quotes_has_none(text):
    assert quote(text) == text


def test_nothing_is_written_as_a_reference(make_manifests, capsys):
    main(["--image", IMAGE], standalone_mode=False)
    assert not re.search("[&*]id", capsys.readouterr().out)


hostile = st.one_of(
    st.text(),
    st.text("\"'\\\n\r\t {}$#%&*!|>-:,[]?@`\x00\x85\u2028\U0001f600", min_size=1),
)


@given(hostile)
@example("a\n---\nkind: Secret")
@example("${name}")
@example("{{ name }}")
@example("## if x")
@example("'\"")
def test_no_value_breaks_the_yaml(text):
    plain = fill_in_server(
        namespace="N", version="V", runtime="R", claim="C", image="I", name="M"
    )
    filled = fill_in_server(
        **{"namespace": text or "N", "version": text or "V", "runtime": text},
        **{"claim": text or "C", "image": text, "name": text},
    )
    marks = {"R": text, "I": text, "M": text}
    marks.update({mark: text or mark for mark in "NVC"})

    def replace(node):
        if isinstance(node, dict):
            return {key: replace(value) for key, value in node.items()}
        if isinstance(node, list):
            return [replace(value) for value in node]
        return marks.get(node, node) if isinstance(node, str) else node

    assert filled == replace(plain)


def test_a_value_that_is_missing_is_an_error():
    with pytest.raises((UndefinedError, TypeError)):
        fill_in("server.yaml", {"name": "a"})


def test_the_files_are_yaml_before_they_are_filled_in():
    for name, kinds in (("server.yaml", SERVER_KINDS), ("job.yaml", ["Job"])):
        with open(os.path.join(FILES, name), encoding="utf-8") as file:
            text = file.read()
        documents = list(yaml.safe_load_all(text))
        assert [each["kind"] for each in documents] == kinds
        # every condition is a comment that ends
        opened = re.findall("^ *## (if|else|endif)", text, re.MULTILINE)
        assert opened.count("if") == opened.count("endif") > 0


def test_the_comments_that_explain_a_choice_are_printed(make_manifests, capsys):
    main(["--image", IMAGE], standalone_mode=False)
    output = capsys.readouterr().out
    assert "# Only the cluster can reach it: the API has no password." in output
    assert "##" not in output
    assert "${" not in output
    assert "\n\n" not in output


def test_the_pods_of_a_server_and_of_a_bulk_run_are_alike(repository, make_manifests):
    resources = dict(METADATA["resources"], gpu={"count": 1})
    describe(repository, dict(METADATA, resources=resources))
    own = {"terminationGracePeriodSeconds", "restartPolicy", "containers"}
    pods = []
    for args in (["--claim", "a"], ["--claim", "a", "--job"]):
        manifest = make_manifests(*args)[0]
        pod, container = find_pod(manifest), find_container(manifest)
        shared = {key: value for key, value in pod.items() if key not in own}
        for key in ("name", "image", "resources", "volumeMounts", "securityContext"):
            shared["container." + key] = container[key]
        pods.append(shared)
    assert pods[0] == pods[1]


# --- what is refused -------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--image", ""], "not the name of an image"),
        (["--image", "my model"], "'my model' is not the name of an image"),
        (["--image", "a", "--name", "1st"], "'1st' is no name"),
        (["--image", "a", "--name", "x" * 58], "up to 57"),
        (["--image", "a", "--namespace", "a.b"], "'a.b' is no namespace"),
        (["--image", "a", "--claim", "A"], "'A' is no claim"),
        (["--image", "a", "--replicas", "0"], "0"),
        (["--image", "a", "--replicas", "5", "--max-replicas", "4"], "less than"),
        (["--image", "a", "--job"], "--job needs --claim"),
        (["--image", "a", "--shards", "2"], "--shards goes with --job"),
        (["--image", "a", "--inputs", "x"], "--inputs goes with --job"),
        (["--image", "a", "--job", "--claim", "x", "--max-replicas", "2"], "--max-rep"),
        (["--image", "a", "--job", "--claim", "x", "--shards", "100001"], "100001"),
        ([], "--image"),
    ],
)
def test_a_wrong_option_is_a_usage_error(repository, args, message):
    with pytest.raises(click.UsageError) as caught:
        main(args, standalone_mode=False)
    assert caught.value.exit_code == 2
    assert message in caught.value.format_message()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"name": "日本"}, "no name can be made of '日本'"),
        ({"name": None}, "no name can be made of ''"),
        ({"resources": {"cpu": {"count": 1}}}, "has no resources.memory.size"),
        ({"resources": {"memory": {"size": "1G"}}}, "has no resources.cpu.count"),
        ({"timeout": {"run": "soon"}}, "timeout.run is 'soon'"),
    ],
)
def test_what_is_wrong_in_model_yaml_is_reported_in_one_line(
    repository, capsys, changed, message
):
    describe(repository, dict(METADATA, **changed))
    with pytest.raises(SystemExit) as caught:
        main(["--image", IMAGE, "--claim", "jobs"], standalone_mode=False)
    assert caught.value.code == 1
    output, errors = capsys.readouterr()
    assert output == ""
    [line] = errors.splitlines()
    assert line.startswith("error: ")
    assert "model.yaml" in line
    assert message in line


@pytest.mark.parametrize(
    ("dockerfile", "message"),
    [
        ("FROM a\n", "has no USER, which the manifests need: add one, such as USER"),
        ("FROM a\nUSER 5\nFROM b\n", "has no USER"),
        ("FROM a\nUSER model\n", "USER model is not an id: write ids, such as USER"),
        ("FROM a\nUSER $ID:1\n", "USER $ID:1 is not an id"),
        ("FROM a\nUSER 2147483648\n", "USER 2147483648 is not an id"),
        ("FROM a\nUSER 1:2:3\n", "USER 1:2:3 is not an id"),
        ("FROM a\nUSER 5\n# \udcfc", "is not UTF-8: save it as UTF-8"),
    ],
)
def test_a_user_that_no_manifest_can_name_is_reported_in_one_line(
    repository, capsys, dockerfile, message
):
    (repository / "Dockerfile").write_bytes(
        dockerfile.encode("utf-8", "surrogateescape")
    )
    with pytest.raises(SystemExit) as caught:
        main(["--image", IMAGE], standalone_mode=False)
    assert caught.value.code == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert "Dockerfile" in line
    assert message in line


def test_what_is_no_yaml_and_where_there_is_none_is_reported_in_one_line(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(str(tmp_path))
    for text, message in ((None, "no model.yaml"), ("a: [", "is not valid YAML")):
        if text:
            write(str(tmp_path), "model.yaml", text)
        with pytest.raises(SystemExit) as caught:
            main(["--image", IMAGE], standalone_mode=False)
        assert caught.value.code == 1
        [line] = capsys.readouterr().err.splitlines()
        assert message in line


def test_a_name_can_be_given_where_none_can_be_made(repository, make_manifests):
    describe(repository, dict(METADATA, name="日本"))
    assert make_manifests("--name", "nihon")[0]["metadata"]["name"] == "nihon"
