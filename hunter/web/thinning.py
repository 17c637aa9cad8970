"""Fewer points of a line that look the same on a screen. Pure."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.floating[Any]]


def thinned(values: Values, count_max: int) -> npt.NDArray[np.intp]:
    """Which of these points to keep, ascending: the lowest and the highest of each stretch, so that
    no peak is lost, and the first and the last of all. `values`: shape (n,); at most `count_max`.
    """
    count = len(values)
    if count <= count_max:
        return np.arange(count)
    edges = np.linspace(0, count, (count_max - 2) // 2 + 1).astype(np.intp)
    kept = [0, count - 1]
    for start, end in pairwise(edges.tolist()):
        stretch = values[start:end]
        kept += [start + int(stretch.argmin()), start + int(stretch.argmax())]
    return np.unique(np.asarray(kept, dtype=np.intp))
