"""Print what Kubernetes has to be told to run the model."""

import sys
from typing import Optional, Sequence

import click
from click.core import ParameterSource

from ..bulk.shard import MAX_SHARDS
from . import ToolCommand

#: The options that only one kind of output has.
SERVER_OPTIONS = ("replicas", "max_replicas", "port")
JOB_OPTIONS = ("shards", "inputs", "outputs")

#: How many times as many pods there may be, where that is not said.
GROWTH = 4


def _check(
    context: click.Context, parameter: click.Parameter, text: Optional[str]
) -> Optional[str]:
    from ..tools.kubernetes import names

    checks = {
        "image": names.check_image,
        "name": names.check_name,
        "namespace": names.check_namespace,
        "claim": names.check_claim,
    }
    try:
        return None if text is None else checks[str(parameter.name)](text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command(cls=ToolCommand)
@click.option(
    "--image",
    required=True,
    callback=_check,
    help="The image, with its registry and its tag.",
)
@click.option(
    "--name",
    callback=_check,
    help="The name of every object; made of the name in model.yaml by default.",
)
@click.option(
    "--namespace",
    callback=_check,
    help="The namespace of every object; that of kubectl by default.",
)
@click.option(
    "--claim",
    callback=_check,
    help="The PersistentVolumeClaim that is mounted at /data; by default that is a folder"
    " of each pod. Pods on several nodes need the access mode ReadWriteMany.",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=8080,
    show_default=True,
    help="The port of the server and of the Service.",
)
@click.option(
    "--replicas",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="The least number of pods.",
)
@click.option(
    "--max-replicas",
    type=click.IntRange(1),
    help=f"The greatest number of pods; {GROWTH} times the least by default.",
)
@click.option(
    "--job", is_flag=True, help="Print a Job for a bulk run in place of the server."
)
@click.option(
    "--shards",
    type=click.IntRange(1, MAX_SHARDS),
    default=1,
    show_default=True,
    help="In how many parts the Job runs, each in a pod of its own.",
)
@click.option(
    "--inputs",
    default="inputs",
    show_default=True,
    help="The folder in the claim with a folder for each job.",
)
@click.option(
    "--outputs",
    default="outputs",
    show_default=True,
    help="The folder in the claim for the outputs.",
)
@click.pass_context
def main(
    context: click.Context,
    image: str,
    name: Optional[str],
    namespace: Optional[str],
    claim: Optional[str],
    port: int,
    replicas: int,
    max_replicas: Optional[int],
    job: bool,
    shards: int,
    inputs: str,
    outputs: str,
) -> None:
    """Print what Kubernetes has to be told to run the model.

    The figures are those of model.yaml. A Deployment, a Service, a
    HorizontalPodAutoscaler and a PodDisruptionBudget serve the model; with --job it is
    an Indexed Job that runs it on many folders. Run it in the folder of the repository.

    \b
    Examples:
      python -m flask_psc_model.cli.kubernetes --image registry.example.com/my-model:1.0.0
      python -m flask_psc_model.cli.kubernetes --image my-model:1.0.0 --claim jobs \\
          | kubectl apply -f -
      python -m flask_psc_model.cli.kubernetes --image my-model:1.0.0 --claim jobs \\
          --job --shards 8 | kubectl apply -f -
    """
    from ..tools.kubernetes.manifests import make_job, make_server, write_manifests
    from ..tools.kubernetes.workload import Workload

    _refuse(context, SERVER_OPTIONS if job else JOB_OPTIONS, job)
    if job and claim is None:
        raise click.UsageError("--job needs --claim: the jobs have to be somewhere")
    most = replicas * GROWTH if max_replicas is None else max_replicas
    if most < replicas:
        raise click.UsageError("--max-replicas is less than --replicas")
    try:
        workload = Workload.read(image, name, namespace, claim)
        if job:
            manifests = make_job(workload, inputs, outputs, shards)
        else:
            manifests = make_server(workload, port, replicas, most)
    except (OSError, ValueError) as error:
        click.echo("error: {}".format(" ".join(str(error).split())), err=True)
        sys.exit(1)
    if claim is None:
        click.echo(
            "note: without --claim, /data is a folder of each pod, empty at first and"
            " gone with the pod",
            err=True,
        )
    click.echo(write_manifests(manifests), nl=False)


def _refuse(context: click.Context, options: Sequence[str], job: bool) -> None:
    for option in options:
        if context.get_parameter_source(option) != ParameterSource.DEFAULT:
            raise click.UsageError(
                "--{} {} --job".format(
                    option.replace("_", "-"), "cannot go with" if job else "goes with"
                )
            )


if __name__ == "__main__":
    main()
