"""The pipeline's stages, each a program: `python -m stages.<stage>`."""

import signal
import sys

# Until `run_stage`, Ctrl-C ends the process without a word: a KeyboardInterrupt in the seconds of importing
# libraries is a traceback, or lost where it falls into a callback of theirs. "-m": not for who imports this.
if sys.argv[0] == "-m" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
