"""A Python interpreter for others to start, as ``python -S -E FILE SOCKET ... -c PROGRAM``.

The program runs in a process that a :mod:`tests.forked.server` forks, which has imported torch.
"""

import json
import os
import socket
import sys

LENGTH_BYTES = 4
"""As in :mod:`tests.forked.server`, which takes longer to import than this whole process."""


def main(server: str, program: str) -> int:
    """Run the program with the standard files of this process: its exit status."""
    request = {
        "arguments": ["-c", program],
        "environment": dict(os.environ),
        "folder": os.getcwd(),  # noqa: PTH109
        "safe_path": False,
    }
    text = json.dumps(request).encode()
    with socket.socket(socket.AF_UNIX) as connection, connection.makefile() as said:
        connection.connect(server)
        socket.send_fds(connection, [len(text).to_bytes(LENGTH_BYTES, "big")], [0, 1, 2])
        connection.sendall(text)
        said.readline()  # its number
        return int(said.readline())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[-1]))
