"""``supcr-bench`` in a forked process: its workers are forked too, where there is a server."""

import runpy

from tests.forked.start import use_servers

if __name__ == "__main__":
    use_servers()
    runpy.run_module("supcr_bench", run_name="__main__", alter_sys=True)
