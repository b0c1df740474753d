"""The pipeline's stages, each a program: `python -m stages.<stage>`."""

import os
import signal
import sys

# An experiment of DVC in a temporary copy runs the copy's code, not that of the clone that was installed.
if sys.argv[0] == "-m":
    sys.path.insert(0, os.path.abspath("src"))

# Until `run_stage`, Ctrl-C ends the process without a word: a KeyboardInterrupt in the seconds of importing
# libraries is a traceback, or lost where it falls into a callback of theirs. "-m": not for who imports this.
if sys.argv[0] == "-m" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
