"""Generate Kubernetes manifests."""

from typing import Any, Dict, Optional, Sequence

import click
from click.core import ParameterSource

from ..bulk.shard import MAX_SHARDS
from . import exit_with_error
from ._options import ToolCommand

#: The options for only one kind of manifests.
SERVER_OPTIONS = ("replicas", "max_replicas", "port")
JOB_OPTIONS = ("shards", "parallelism", "inputs", "outputs")

#: The default of --max-replicas, as a multiple of --replicas.
GROWTH = 4


def _check(
    context: click.Context, parameter: click.Parameter, text: Optional[str]
) -> Optional[str]:
    from ..tools.kubernetes.names import check_image, check_name

    if text is None:
        return None
    option = str(parameter.name)
    try:
        return check_image(text) if option == "image" else check_name(option, text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command(cls=ToolCommand)
@click.option(
    "--image",
    required=True,
    callback=_check,
    help="Image of the pods, with its registry and tag.",
)
@click.option(
    "--name",
    callback=_check,
    show_default="from the name in model.yaml",
    help="Name of every object.",
)
@click.option(
    "--namespace",
    callback=_check,
    show_default="kubectl's current one",
    help="Namespace of every object.",
)
@click.option(
    "--claim",
    callback=_check,
    help="PersistentVolumeClaim to mount at /data. Pods on several nodes need the access"
    " mode ReadWriteMany. Without a claim, /data is an empty folder in each pod.",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=8080,
    show_default=True,
    help="Port of the server and of the Service.",
)
@click.option(
    "--replicas",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Minimum number of pods.",
)
@click.option(
    "--max-replicas",
    type=click.IntRange(1),
    show_default=f"{GROWTH} times --replicas",
    help="Maximum number of pods.",
)
@click.option(
    "--job", is_flag=True, help="Generate a Job for a bulk run instead of a server."
)
@click.option(
    "--shards",
    type=click.IntRange(1, MAX_SHARDS),
    default=1,
    show_default=True,
    help="Number of shards (one pod each).",
)
@click.option(
    "--parallelism",
    type=click.IntRange(1, MAX_SHARDS),
    show_default="--shards",
    help="Number of shards that run at once.",
)
@click.option(
    "--inputs",
    default="inputs",
    show_default=True,
    help="Folder in the claim that holds a folder for each job.",
)
@click.option(
    "--outputs",
    default="outputs",
    show_default=True,
    help="Folder in the claim for the outputs.",
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
    parallelism: Optional[int],
    inputs: str,
    outputs: str,
) -> None:
    """Generate Kubernetes manifests.

    Resources and time limits come from model.yaml, the user from the Dockerfile. A
    Deployment, a Service, a HorizontalPodAutoscaler and a PodDisruptionBudget serve the
    model; with --job, an Indexed Job runs it on many folders. Run it in the repository.

    \b
    Examples:
      python -m flask_psc_model.cli.kubernetes --image registry.example.com/my-model:1.0.0
      python -m flask_psc_model.cli.kubernetes --image my-model:1.0.0 --claim jobs \\
          | kubectl apply -f -
      python -m flask_psc_model.cli.kubernetes --image my-model:1.0.0 --claim jobs \\
          --job --shards 8 | kubectl apply -f -
    """
    from ..tools.kubernetes.manifests import fill_in, list_folders
    from ..tools.kubernetes.values import read_values

    _refuse(context, SERVER_OPTIONS if job else JOB_OPTIONS, job)
    if job and claim is None:
        raise click.UsageError("--job needs --claim, where the jobs are")
    most = replicas * GROWTH if max_replicas is None else max_replicas
    if most < replicas:
        raise click.UsageError("--max-replicas is less than --replicas")
    try:
        values: Dict[str, Any] = {
            **read_values(name),
            "image": image,
            "namespace": namespace,
            "claim": claim,
        }
        if job:
            values.update(list_folders(inputs, outputs))
            parallelism = min(parallelism or shards, shards)
            values.update(shards=shards, parallelism=parallelism)
        else:
            values.update(port=port, replicas=replicas, max_replicas=most)
    except (OSError, ValueError) as error:
        exit_with_error(error)
    if claim is None:
        click.echo(
            "note: without --claim, /data is an empty folder in each pod that is deleted"
            " with it",
            err=True,
        )
    click.echo(fill_in("job.yaml" if job else "server.yaml", values), nl=False)


def _refuse(context: click.Context, options: Sequence[str], job: bool) -> None:
    for option in options:
        if context.get_parameter_source(option) != ParameterSource.DEFAULT:
            rule = "cannot go with" if job else "goes with"
            raise click.UsageError(f"--{option.replace('_', '-')} {rule} --job")


if __name__ == "__main__":
    main()
