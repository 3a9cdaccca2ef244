"""Sources of small models, each of them the text of a `model_lib/model.py`.

The file names of each come from its `model.yaml`, and its class is called `Model`.
"""

#: Copies each input to the output of the same place.
ECHO = '''
import shutil

from flask_psc_model import ModelBase, load_metadata

METADATA = load_metadata(__file__)


class Model(ModelBase):
    """Copies its input."""

    input_filenames = list(METADATA.inputs)
    output_filenames = list(METADATA.outputs)

    def run(self, *paths):
        half = len(paths) // 2
        for source, target in zip(paths[:half], paths[half:]):
            shutil.copyfile(source, target)
'''

#: Does what the lines of its input say, then copies the input to the first output.
#: A line is a command and a text:
#:
#:   sleep SECONDS, spin SECONDS (in Python), spin-in-c (for ever, holding the GIL)
#:   exit CODE (at once), system-exit CODE, segfault, kill SIGNAL, kill-parent
#:   refuse MESSAGE (422), fail MESSAGE (500), fail-silently, missing PATH (OSError)
#:   write NAME TEXT (beside the output), fill BYTES (of the output), nothing (and end)
#:   print TEXT, complain TEXT (on standard error)
#:   touch PATH (tells the test that this line was reached), wait-for PATH
#:   append PATH (a line with the name of the input folder)
#:   helper CODE (starts an orphan that exits with CODE a little later)
#:   sleeper PATH (starts a process that writes its id into PATH and sleeps)
#:   where (writes pid, thread and environment into `where.json` beside the output)
ACTOR = '''
import collections
import ctypes
import itertools
import json
import os
import subprocess
import sys
import threading
import time

from flask_psc_model import ModelBase, load_metadata

METADATA = load_metadata(__file__)


class Model(ModelBase):
    """Does what its input says."""

    input_filenames = list(METADATA.inputs)
    output_filenames = list(METADATA.outputs)

    def run(self, input_path, output_path, *more):
        self.input_path = input_path
        self.output_path = output_path
        with open(input_path, encoding="utf-8") as file:
            text = file.read()
        for line in text.splitlines():
            command, _, argument = line.partition(" ")
            if command == "nothing":
                return
            act = getattr(self, "do_" + command.replace("-", "_"), None)
            if act:
                act(argument)
        for path in (output_path,) + more:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)

    def do_sleep(self, seconds):
        time.sleep(float(seconds))

    def do_spin(self, seconds):
        end = time.monotonic() + float(seconds)
        while time.monotonic() < end:
            pass

    def do_spin_in_c(self, _):
        collections.deque(itertools.repeat(0, 10 ** 15), maxlen=0)

    def do_exit(self, code):
        os._exit(int(code))

    def do_system_exit(self, code):
        sys.exit(int(code))

    def do_segfault(self, _):
        ctypes.string_at(0)

    def do_kill_parent(self, _):
        os.kill(os.getppid(), 9)
        time.sleep(60)

    def do_kill(self, number):
        os.kill(os.getpid(), int(number))
        time.sleep(60)

    def do_refuse(self, message):
        raise ValueError(message)

    def do_fail(self, message):
        raise RuntimeError(message)

    def do_fail_silently(self, _):
        raise RuntimeError

    def do_missing(self, path):
        open(path)

    def do_write(self, argument):
        name, _, text = argument.partition(" ")
        path = os.path.join(os.path.dirname(self.output_path), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def do_fill(self, size):
        with open(self.output_path, "wb") as file:
            file.write(bytes(int(size)))

    def do_print(self, text):
        print(text)

    def do_complain(self, text):
        print(text, file=sys.stderr)

    def do_touch(self, path):
        open(path, "w").close()

    def do_wait_for(self, path):
        while not os.path.exists(path):
            time.sleep(0.01)

    def do_append(self, path):
        with open(path, "a") as file:
            file.write(os.path.dirname(self.input_path) + "\\n")

    def do_helper(self, code):
        subprocess.check_call(["sh", "-c", "(sleep 0.2; exit {}) &".format(code)])

    def do_sleeper(self, path):
        subprocess.check_call(["sh", "-c", "sleep 60 & echo $! >'{}'".format(path)])

    def do_where(self, _):
        facts = {
            "pid": os.getpid(),
            "parent": os.getppid(),
            "main thread": threading.current_thread() is threading.main_thread(),
            "environment": dict(os.environ),
            "folder": os.getcwd(),
            "modules": sorted(sys.modules),
        }
        self.do_write("where.json " + json.dumps(facts))
'''

#: Fails to load while the file `broken` is in the repository, with its text.
BROKEN = '''
import os

from flask_psc_model import ModelBase, load_metadata

METADATA = load_metadata(__file__)
REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Model(ModelBase):
    """Cannot always be loaded."""

    input_filenames = list(METADATA.inputs)
    output_filenames = list(METADATA.outputs)

    def __init__(self):
        path = os.path.join(REPOSITORY, "broken")
        if os.path.exists(path):
            with open(path) as file:
                raise RuntimeError(file.read())

    def run(self, input_path, output_path):
        os.link(input_path, output_path)
'''

#: Takes as long to load as the file `seconds` in the repository says.
SLOW = '''
import os
import shutil
import time

from flask_psc_model import ModelBase, load_metadata

METADATA = load_metadata(__file__)
REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Model(ModelBase):
    """Takes its time to load."""

    input_filenames = list(METADATA.inputs)
    output_filenames = list(METADATA.outputs)

    def __init__(self):
        with open(os.path.join(REPOSITORY, "seconds")) as file:
            time.sleep(float(file.read()))

    def run(self, input_path, output_path):
        shutil.copyfile(input_path, output_path)
'''

#: Does what the Python code in its input says, which is the body of a function; then
#: writes what that returns, or the code itself, into the output. The files `load` and
#: `close` in the repository hold code that is run then.
SCRIPT = '''
import os
import textwrap

from flask_psc_model import ModelBase, load_metadata

METADATA = load_metadata(__file__)
REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def do(text, *args):
    names = {}
    head = "def act(model, output_path=None):\\n    pass\\n"
    exec(head + textwrap.indent(text, "    "), names)
    return names["act"](*args)


class Model(ModelBase):
    """Does what its input says."""

    input_filenames = list(METADATA.inputs)
    output_filenames = list(METADATA.outputs)

    def __init__(self):
        self.do_file("load")

    def run(self, input_path, output_path):
        with open(input_path, encoding="utf-8") as file:
            text = file.read()
        result = do(text, self, output_path)
        with open(output_path, "w", encoding="utf-8") as file:
            file.write(text if result is None else str(result))

    def close(self):
        self.do_file("close")

    def do_file(self, name):
        path = os.path.join(REPOSITORY, name)
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                do(file.read(), self)
'''

#: Computes batches: does what the lines of each input say, and writes "result of" and
#: the input into the output. A line is the step where it is done, and Python code:
#:
#:   predict: os.abort()
#:
#: The code of `predict` is run for each job of a batch, and sees the `batch` and its
#: `results`. The file `trace` in the repository gets a line for each call of `predict`:
#: the last lines of its inputs, in JSON.
BATCH = '''
import collections
import itertools
import json
import os
import signal
import threading
import time

from flask_psc_model import BatchModelBase, load_metadata

METADATA = load_metadata(__file__)
REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def act(step, text, **names):
    for line in text.splitlines():
        if line.startswith(step + ": "):
            exec(line[len(step) + 2 :], globals(), names)


class Model(BatchModelBase):
    """Does what its inputs say."""

    input_filenames = list(METADATA.inputs)
    output_filenames = list(METADATA.outputs)
    max_batch_size = 8

    def preprocess(self, input_path):
        with open(input_path, encoding="utf-8") as file:
            text = file.read()
        act("preprocess", text, path=input_path)
        return text

    def predict(self, batch):
        assert threading.current_thread() is threading.main_thread()
        with open(os.path.join(REPOSITORY, "trace"), "a", encoding="utf-8") as file:
            file.write(json.dumps([text.split("\\n")[-1] for text in batch]) + "\\n")
        results = ["result of\\n" + text for text in batch]
        for text in batch:
            act("predict", text, batch=batch, results=results)
        return results

    def postprocess(self, result, output_path):
        act("postprocess", result, path=output_path)
        with open(output_path, "w", encoding="utf-8") as file:
            file.write(result)
'''
