"""The folders of one job."""

import os


class JobFolders:
    """An input folder with its files, and an output folder that may not exist yet.

    Attributes:
        input: path of the input folder.
        output: path of the output folder.
    """

    def __init__(self, folder, **inputs):
        """Make the input folder.

        Args:
            folder: a `pathlib.Path`; it need not exist.
            inputs: the text of each input file by its name without `.txt`.
        """
        self.folder = folder
        self.input = folder / "in"
        self.output = folder / "out"
        self.input.mkdir(parents=True)
        for name, text in (inputs or {"input": ""}).items():
            self.give(text, name + ".txt")

    @property
    def body(self):
        """The job configuration object."""
        return {"type": "file", "input": str(self.input), "output": str(self.output)}

    def give(self, text, name="input.txt"):
        """Write an input file, from text or lines of text."""
        if not isinstance(text, str):
            text = "\n".join(text)
        (self.input / name).write_text(text, encoding="utf-8")
        return self

    def leave(self, text, name="results.json"):
        """Write an output file, as an earlier job would have."""
        path = self.output / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return self

    def read(self, name="results.json"):
        """Return the text of an output file."""
        return (self.output / name).read_text(encoding="utf-8")

    def outputs(self):
        """Return the text of every output file by its path, `.psc-*` included.

        Folders have None in place of a text. None where there is no output folder.
        """
        if not self.output.exists():
            return None
        found = {}
        for parent, folders, names in os.walk(str(self.output)):
            for name in folders + names:
                path = os.path.join(parent, name)
                text = None
                if not os.path.isdir(path):
                    with open(path, encoding="utf-8", errors="replace") as file:
                        text = file.read()
                found[os.path.relpath(path, str(self.output))] = text
        return found
