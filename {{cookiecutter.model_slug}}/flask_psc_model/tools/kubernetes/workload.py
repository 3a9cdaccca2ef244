"""The model in a cluster: what each of its manifests needs."""

import os
from typing import Any, Dict, NamedTuple, Optional

from ...model.spec import Limits, ModelSpec
from ...version import __version__
from ..containers.image_user import DOCKERFILE, ImageUser, read_user
from .names import make_label_value, make_name

#: The user of the template's Dockerfile, for a folder without one.
USER = ImageUser(1000, 1000)

#: The label with the version of this runtime.
RUNTIME_VERSION = "flask-psc-model/version"


class Workload(NamedTuple):
    """What runs, and under which names.

    Attributes:
        name: of every object.
        image: that the pods run.
        limits: of `model.yaml`.
        user: that the containers run as.
        version: of the model, empty where there is none.
        namespace: of every object; None for kubectl's current one.
        claim: the PersistentVolumeClaim with the jobs' folders; None for an empty
            folder in each pod.
        path: of the `model.yaml`, for messages.
    """

    name: str
    image: str
    limits: Limits
    user: ImageUser
    version: str = ""
    namespace: Optional[str] = None
    claim: Optional[str] = None
    path: str = "model.yaml"

    @classmethod
    def read(
        cls,
        image: str,
        name: Optional[str],
        namespace: Optional[str],
        claim: Optional[str],
    ) -> "Workload":
        """Return the workload of the `model.yaml` of the working directory.

        The Dockerfile beside it names the user.

        Args:
            image: that the pods run.
            name: of every object; None to make it from the model's name.
            namespace: of every object, or None.
            claim: the PersistentVolumeClaim, or None.

        Raises:
            OSError: there is no `model.yaml`.
            ValueError: a value in it is wrong, no name can be made from the model's, or
                the Dockerfile does not name a user by ids.
        """
        spec = ModelSpec.load(os.getcwd())
        return cls(
            name or _make_name(spec),
            image,
            spec.limits,
            _read_user(os.path.dirname(spec.path)),
            spec.version,
            namespace,
            claim,
            spec.path,
        )

    def make_metadata(self, component: str) -> Dict[str, Any]:
        """Return the `metadata` of an object.

        Args:
            component: what the object belongs to.
        """
        metadata: Dict[str, Any] = {"name": self.name}
        if self.namespace:
            metadata["namespace"] = self.namespace
        metadata["labels"] = self.make_labels(component)
        return metadata

    def make_labels(self, component: str) -> Dict[str, str]:
        """Return the labels that Kubernetes recommends, and the version of this runtime.

        See https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/.

        Args:
            component: what the object belongs to.
        """
        labels = self.make_selector(component)
        version = make_label_value(self.version)
        if version:
            labels["app.kubernetes.io/version"] = version
        labels[RUNTIME_VERSION] = __version__
        return labels

    def make_selector(self, component: str) -> Dict[str, str]:
        """Return the labels that select the pods of a component.

        They exclude the version, since the selector of a Deployment cannot change, and
        include the component, or the Service would send requests to a Job's pods.

        Args:
            component: what the pods belong to.
        """
        return {
            "app.kubernetes.io/name": self.name,
            "app.kubernetes.io/component": component,
        }


def _make_name(spec: ModelSpec) -> str:
    try:
        return make_name(spec.name)
    except ValueError as error:
        raise ValueError(f"{spec.path}: name: {error}; pass --name") from error


def _read_user(folder: str) -> ImageUser:
    text = read_user(folder)
    if text is None:
        return USER
    path = os.path.join(folder, DOCKERFILE)
    if not text:
        raise ValueError(
            f"{path} has no USER, which the manifests need: add one, such as USER"
            " 1000:1000"
        )
    try:
        return ImageUser.parse(text)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
