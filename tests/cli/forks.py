"""Runs commands in forks of one process that has imported the program: each takes 0.1 s instead of 2.

It reads orders as JSON lines (arguments, environment, folder and the files for the three streams) and
writes each command's exit code.
"""

import json
import os
import sys

from entrepot.cli import main

FLAGS = (os.O_RDONLY, os.O_WRONLY | os.O_CREAT, os.O_WRONLY | os.O_CREAT)

for line in sys.stdin:
    order = json.loads(line)
    child = os.fork()
    if child == 0:
        os.chdir(order["folder"])
        os.environ.clear()
        os.environ.update(order["environ"])
        for number, (path, flags) in enumerate(zip(order["streams"], FLAGS, strict=True)):
            os.dup2(os.open(path, flags, 0o600), number)
        sys.argv = ["entrepot", *order["arguments"]]
        main()
        sys.exit(0)
    sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
    sys.stdout.flush()
