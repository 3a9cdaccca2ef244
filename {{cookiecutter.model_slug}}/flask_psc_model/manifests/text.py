"""Manifests as the text that kubectl reads."""

import re
from typing import Any, Dict, Sequence

import yaml

# `y`, `1e3` and `0o7` are texts to PyYAML, but not to every other reader of YAML
_PLAIN = re.compile("[A-Za-z/]{2}")


class _Dumper(yaml.SafeDumper):
    """Puts quotes around each text that a reader might take for something else."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write everything where it stands."""
        return True


def write_manifests(manifests: Sequence[Dict[str, Any]]) -> str:
    """Write manifests as the documents of one YAML stream, keys in the given order."""
    return str(
        yaml.dump_all(manifests, Dumper=_Dumper, explicit_start=True, sort_keys=False)
    )


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if _PLAIN.match(text) else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)
