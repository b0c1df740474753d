"""A process that works until another one fails: see cut_off.sh."""

import time

from srscene.runtime import rendezvous
from srscene.runtime.console import run_stage
from srscene.runtime.ranks import current, together


def main() -> None:
    rendezvous.LOST_AFTER = 2
    with together("stage"):
        current().meet()
        if current().main:
            print("met", flush=True)
        while True:
            current().check()
            time.sleep(0.05)


run_stage(main)
