"""Kubernetes manifests for the model, with the resources and times of `model.yaml`.

`Workload` holds what every manifest needs, and `pod` makes the template of the pods. Each
other module makes one kind of object, as the mapping that its YAML stands for.
"""
