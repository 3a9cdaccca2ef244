"""What Kubernetes has to be told to run the model, with the figures of `model.yaml`.

`Workload` is what every manifest needs to know, `pod` the template of the pods, and each
other module one kind of object, as the mapping that its YAML stands for.
"""
