"""Random numbers that are identical on every machine, library version and device.

``torch.randn`` differs between vector widths and devices, and NumPy promises the stream of its
bit generators but not of its distributions. So the raw 64-bit words of Philox (a counter-based
generator; Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011) are turned into
numbers here with exact integer arithmetic and powers of two only: nothing is rounded.
"""

import hashlib

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]


class Stream:
    """A stream of random numbers; streams with different names are independent."""

    def __init__(self, *names: object) -> None:
        digest = hashlib.sha256("/".join(map(str, names)).encode()).digest()
        self._bits = np.random.Philox(key=np.frombuffer(digest[:16], dtype="<u8").astype(np.uint64))

    def words(self, count: int) -> npt.NDArray[np.uint64]:
        return self._bits.random_raw(count).astype(np.uint64)

    def uniform(self, count: int) -> Float64:
        """``count`` numbers in [0, 1), multiples of 2^-53."""
        bits = self.words(count) >> np.uint64(11)
        values: Float64 = bits.astype(np.float64) * 2.0**-53
        return values

    def bell(self, count: int) -> Float64:
        """``count`` numbers of mean 0 and variance 1, nearly normal, exact in float32.

        The sum of twelve uniform 16-bit integers (Irwin-Hall), centred and divided by 2^16.
        """
        quarters = self.words(3 * count).reshape(count, 3)
        shifts = np.array([0, 16, 32, 48], dtype=np.uint64)
        parts = (quarters[:, :, None] >> shifts) & np.uint64(0xFFFF)
        # Each 16-bit integer has mean (2^16 - 1) / 2, so twelve of them have 6 * (2^16 - 1).
        values: Float64 = parts.reshape(count, 12).sum(axis=1).astype(np.float64) - 6 * 0xFFFF
        return values * 2.0**-16

    def choose(self, count: int, of: int) -> npt.NDArray[np.intp]:
        """``count`` different indices below ``of``, in random order."""
        return np.argsort(self.words(of), kind="stable")[:count]
