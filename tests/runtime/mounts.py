"""Mounted files, folders and small disks, for those who may mount."""

import os
import shutil
import subprocess


class Mounts:
    """What a test mounts."""

    def __init__(self):
        self.folders = []

    def bind(self, source, target, read_only=False):
        """Mount a file or folder elsewhere; return whether that worked."""
        done = self._mount(target, "--bind", source)
        if done and read_only:
            options = "remount,bind,ro"
            done = subprocess.call(["mount", "-o", options, target]) == 0
        return done

    def make_disk(self, target, options):
        """Mount a small disk; return whether that worked."""
        return self._mount(target, "-t", "tmpfs", "-o", options, "disk")

    def _mount(self, target, *args):
        if os.geteuid() != 0 or not shutil.which("mount"):
            return False
        done = subprocess.call(["mount"] + list(args) + [target]) == 0
        if done:
            self.folders.append(target)
        return done

    def undo(self):
        """Unmount all of it."""
        for folder in reversed(self.folders):
            subprocess.check_call(["umount", folder])
