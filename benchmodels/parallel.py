"""Blocks of work over joblib's workers, with BLAS pinned to one thread; the only import of joblib and threadpoolctl."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from threadpoolctl import ThreadpoolController

__all__ = ["map_blocks", "one_blas_thread"]

Result = TypeVar("Result")


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep BLAS to one thread within the block.

    The products of the hot path are long and thin: a second thread gains nothing, costs much where the cores are
    shared, and changes the last digits.
    """
    libraries = _libraries()
    if all(each.num_threads == 1 for each in libraries.lib_controllers if each.user_api == "blas"):
        yield
        return
    with libraries.limit(limits=1, user_api="blas"):
        yield


@cache
def _libraries() -> ThreadpoolController:
    """Find the BLAS libraries once: looking for them takes longer than a small problem; ours are loaded by now."""
    import scipy.linalg  # noqa: F401
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def map_blocks(
    work: Callable[[int, np.random.Generator], Result],
    replicates: int,
    *,
    block: int = 25,
    rng: int | np.random.Generator | None = None,
    workers: int = 1,
    progress: Callable[[int], None] | None = None,
) -> list[Result]:
    """Do ``replicates`` replicates in fixed blocks, each with its own child generator.

    Parameters
    ----------
    work : callable
        Takes the number of replicates in the block and the block's generator; returns the block's result.
    replicates, block : int
        How many in all, and in a block (the last may hold fewer).
    rng : int, Generator or None
        The results depend on this and on ``block`` alone: not on workers, order or threads.
    workers : int
        Of joblib's active backend.
    progress : callable, optional
        Called with the number of replicates done after each block.

    Returns
    -------
    list
        One result a block, in order.
    """
    from joblib import Parallel, delayed

    sizes = [min(block, replicates - done) for done in range(0, replicates, block)]
    children = np.random.default_rng(rng).spawn(len(sizes))

    def one(size: int, child: np.random.Generator) -> Result:
        with one_blas_thread():
            return work(size, child)

    done, results = 0, []
    stream = Parallel(n_jobs=workers, return_as="generator")(
        delayed(one)(size, child) for size, child in zip(sizes, children, strict=True)
    )
    for size, result in zip(sizes, stream, strict=True):
        results.append(result)
        done += size
        if progress is not None:
            progress(done)
    return results
