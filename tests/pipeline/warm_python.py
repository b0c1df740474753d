"""`python -m stages.…` and `srscene` that start at once: forks of a process that has their libraries.

A stage of a few patches is nearly all imports, of torch and its like. Nothing of ours is among them: a fork
still finds and reads this project's code itself, at PYTHONPATH, so an edit counts as it always does. A signal
to the program does not reach the fork, which kills itself where KILL_AFTER_PIECES is set.
"""

import atexit
import gc
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path

LIBRARIES = (
    "accelerate", "cv2", "h5py", "imagecodecs", "isal.isal_zlib", "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_pdf", "matplotlib.figure", "pyarrow.parquet", "pydantic.main",
    "pydantic.type_adapter", "pyogrio", "pytorch_grad_cam", "rasterio", "requests", "rich.console",
    "scipy.stats", "setuptools", "skimage.metrics", "skimage.registration", "sklearn.metrics",
    "spandrel.architectures", "timm", "torchvision", "typer",
)  # fmt: skip
OURS = {"srscene", "stages", "tests"}
CLIENT = """#!{python} -IS
import json, os, socket, sys
if os.path.basename(sys.argv[0]) == "srscene":
    module, arguments = "srscene.cli", sys.argv
elif len(sys.argv) == 3 and sys.argv[1] == "-m" and sys.argv[2].startswith("stages."):
    module, arguments = sys.argv[2], sys.argv[2:]
else:
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
request = dict(module=module, arguments=arguments, folder=os.getcwd(), environment=dict(os.environ))
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect({address!r})
    socket.send_fds(connection, [b" "], [0, 1, 2])
    connection.sendall(json.dumps(request).encode())
    connection.shutdown(socket.SHUT_WR)
    sys.exit(int(connection.recv(10)))
"""


@contextmanager
def warm_programs() -> Iterator[Path]:
    """Yield a folder with `stages/python` and `cli/srscene`, each in a folder to be put first in PATH."""
    with tempfile.TemporaryDirectory(prefix="warm", dir="/tmp") as folder:  # a socket's path must be short
        address = f"{folder}/socket"
        for name in ("stages/python", "cli/srscene"):
            client = Path(folder, name)
            client.parent.mkdir()
            client.write_text(CLIENT.format(python=sys.executable, address=address))
            client.chmod(0o755)
        command = [sys.executable, __file__, address]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as server:
            assert server.stdout
            assert server.stdout.readline() == b"listening\n"
            try:
                yield Path(folder)
            finally:
                server.kill()


def serve(address: str) -> None:
    """Answer each request with the exit status of a fork that does it, until the parent is gone."""
    parent = os.getppid()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen()
        print("listening", flush=True)
        os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"  # CUDA, once begun, doesn't bear a fork
        for name in LIBRARIES:
            import_module(name)
        gc.freeze()
        server.settimeout(5)
        while os.getppid() == parent:
            with suppress(TimeoutError):
                connection, _ = server.accept()
                connection.setblocking(True)
                if not (child := os.fork()):
                    os._exit(work(connection))  # to take down modules that two processes share takes seconds
                _, status = os.waitpid(child, 0)
                with connection:
                    connection.sendall(str(os.waitstatus_to_exitcode(status) & 255).encode())


def work(connection: socket.socket) -> int:
    """Run the module that is asked for as `python -m` does; return its exit status."""
    _, pipes, _, _ = socket.recv_fds(connection, 1, 3)
    with connection.makefile("rb") as file:
        request = json.load(file)
    for number, pipe in enumerate(pipes):
        os.dup2(pipe, number)
        os.close(pipe)
    sys.stdin, sys.stdout = os.fdopen(0), os.fdopen(1, "w")
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace")
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    loaded = {name.split(".")[0] for name in sys.modules}
    assert not OURS & loaded, f"these must be read anew: {OURS & loaded}"
    first = [request["folder"]] if request["module"].startswith("stages.") else []
    sys.path[0:1] = first + [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.argv = request["arguments"]
    if pieces := int(os.environ.get("KILL_AFTER_PIECES", 0)):
        kill_after(pieces)
    try:
        runpy.run_module(request["module"], run_name="__main__", alter_sys=True)
        status: object = 0
    except SystemExit as end:
        status = end.code or 0
    except BaseException:
        traceback.print_exc()
        status = 1
    if not isinstance(status, int):  # a message, as sys.exit takes it
        print(status, file=sys.stderr)
        status = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    return status


def kill_after(pieces: int) -> None:
    """Kill this process before it names the next file, once so many got their names in scratch."""
    named = []

    def look(event: str, arguments: tuple[object, ...]) -> None:
        if event in ("os.rename", "os.link"):
            if len(named) == pieces:
                os.kill(os.getpid(), signal.SIGKILL)
            if "/.scratch/" in str(arguments[1]):
                named.append(arguments[1])

    sys.addaudithook(look)


if __name__ == "__main__":
    serve(sys.argv[1])
