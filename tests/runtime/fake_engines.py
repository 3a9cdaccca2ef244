"""A container engine that starts nothing and reports what a test sets."""

import json
import os
import sys

#: What `docker` is on the path of a test. Its folder holds, where a test or a command
#: of the engine has put it there:
#:
#:   calls        the arguments of each call, a list in JSON on each line
#:   containers/  a file for each container that has not been removed
#:   state        the State and the host's port of every container, as JSON
#:   log          what every container has written
#:   hold         makes `run` wait until it is gone; `held` shows that it waits
#:   hold-build   makes `build` wait until it is gone; `held-build` has its process id
#:   unbuildable  makes `build` fail
#:   broken       makes every call fail
#:   blind        makes containers see none of this machine's folders
#:   unable       what `run` cannot do, in the words of the engine
#:
#: There is no image `missing`, and `refused` has no command.
SCRIPT = """#!{python}
import json, os, sys, time

HOME = {home!r}
args = sys.argv[1:]


def path(*names):
    return os.path.join(HOME, *names)


def fail(message):
    sys.exit("Error: " + message)


with open(path("calls"), "a") as file:
    file.write(json.dumps(args) + "\\n")
if os.path.exists(path("broken")):
    if args == ["info"]:
        # the reason is on standard output
        print("Client:\\n Context: default\\n\\nServer:")
        with open(path("broken")) as file:
            print("ERROR: " + file.read())
        sys.exit("errors pretty printing info")
    fail("is the\\ndaemon running?")
if args[:2] == ["image", "inspect"]:
    if args[2] == "missing":
        fail("No such image: missing")
    env = ["PATH=/bin", "PSC_MODEL_PORT=9180"]
    print(json.dumps([{{"Config": {{"Env": env, "Cmd": ["./serve"], "User": "7"}}}}]))
elif args[0] == "build":
    print("step 1", flush=True)
    if os.path.exists(path("hold-build")):
        with open(path("held-build"), "w") as file:
            file.write(str(os.getpid()))
        while os.path.exists(path("hold-build")):
            time.sleep(0.01)
    if os.path.exists(path("unbuildable")):
        fail("no such package")
elif args[:2] == ["run", "--detach"]:
    if os.path.exists(path("hold")):
        open(path("held"), "w").close()
        while os.path.exists(path("hold")):
            time.sleep(0.01)
    if args[-1] == "refused":
        fail("no command specified")
    if os.path.exists(path("unable")):
        with open(path("unable")) as file:
            print("docker: Error response from daemon: " + file.read(), file=sys.stderr)
        sys.exit(125)
    open(path("containers", args[args.index("--name") + 1]), "w").close()
elif args[0] == "create":
    # the folder that a container shares
    source = [each for each in args if each.startswith("type=bind,")][0].split(",")[1]
    with open(path("containers", args[args.index("--name") + 1]), "w") as file:
        file.write(source.split("=", 1)[1])
elif args[0] == "cp":
    name, file_name = args[1].split(":/data/")
    with open(path("containers", name)) as file:
        source = os.path.join(file.read(), file_name)
    if os.path.exists(path("blind")):
        fail("Could not find the file")
    with open(source) as file:
        print(file.read())
elif args[:2] == ["container", "inspect"]:
    with open(path("state")) as file:
        state, port = json.load(file)
    ports = {{"9181/tcp": [{{"HostPort": str(port)}}]}} if port else {{}}
    print(json.dumps([{{"State": state, "NetworkSettings": {{"Ports": ports}}}}]))
elif args[0] == "logs":
    with open(path("log")) as file:
        sys.stderr.write(file.read())
elif args[0] == "rm":
    os.remove(path("containers", args[-1]))
elif args[0] == "ps":
    print("\\n".join(os.listdir(path("containers"))))
"""


class FakeEngine:
    """The engine, in a folder of its own.

    Attributes:
        command: the path of its `docker`.
        folder: of the command, which goes into PATH.
    """

    def __init__(self, folder):
        self.home = str(folder)
        self.folder = os.path.join(self.home, "bin")
        self.command = os.path.join(self.folder, "docker")
        os.makedirs(self.folder)
        os.mkdir(self.path("containers"))
        with open(self.command, "w") as file:
            file.write(SCRIPT.format(python=sys.executable, home=self.home))
        os.chmod(self.command, 0o755)
        self.write("log", "")
        self.write("calls", "")
        self.say(None)

    def path(self, *names):
        """Return the path of a file of the engine."""
        return os.path.join(self.home, *names)

    def write(self, name, text):
        """Write a file of the engine."""
        with open(self.path(name), "w") as file:
            file.write(text)

    def say(self, port, exit_code=None, out_of_memory=False):
        """Say what every container is like.

        Args:
            port: of 127.0.0.1, where it is to be found.
            exit_code: of one that has exited; None for one that runs.
            out_of_memory: why it has exited.
        """
        state = {
            "Running": exit_code is None,
            "ExitCode": exit_code or 0,
            "OOMKilled": out_of_memory,
        }
        self.write("state", json.dumps([state, port]))

    def calls(self, command):
        """Return the arguments of every call of a command, such as `run`."""
        with open(self.path("calls")) as file:
            calls = [json.loads(line) for line in file]
        return [call for call in calls if call[0] == command]

    def containers(self):
        """Return the names of the containers that have not been removed."""
        return os.listdir(self.path("containers"))
