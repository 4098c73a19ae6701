"""Blocks of work over processes, threads or a cluster, BLAS on one thread; the only import of joblib, threadpoolctl."""

from __future__ import annotations

import time
import warnings
from concurrent.futures import BrokenExecutor, CancelledError
from contextlib import closing, contextmanager
from functools import cache
from numbers import Integral
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from benchmodels.errors import BenchmodelsError, PartialResultWarning, SpecificationError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from threadpoolctl import ThreadpoolController

    # Which block, how many replicates, and what they are drawn from.
    Job = tuple[int, int, np.random.Generator]

__all__ = ["map_blocks", "one_blas_thread"]

Result = TypeVar("Result")

# Seconds that new processes take to start: so long the work is done here, and much of it is done by then.
_START = 1.0
# Losses of workers in a row, without a block done between them, after which it is not tried again.
_LOSSES = 3


class _Pinned:
    """BLAS kept to one thread while anyone asks for it: the number is the process's, not the thread's."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.users = 0
        self.limit: Any = None

    def enter(self) -> None:
        with self.lock:
            libraries = _libraries()
            if self.users == 0 and any(
                each.num_threads != 1 for each in libraries.lib_controllers if each.user_api == "blas"
            ):
                self.limit = libraries.limit(limits=1, user_api="blas")
            self.users += 1

    def leave(self) -> None:
        with self.lock:
            self.users -= 1
            if self.users == 0 and self.limit is not None:
                self.limit.restore_original_limits()
                self.limit = None


_PINNED = _Pinned()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep BLAS to one thread within the block, and until the last of those that run at once has left.

    The products of the hot path are long and thin: a second thread gains nothing, costs much where the cores are
    shared, and changes the last digits.
    """
    _PINNED.enter()
    try:
        yield
    finally:
        _PINNED.leave()


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
    least: int | None = None,
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
        The results depend on this and on ``block`` alone: not on workers, order, threads or back end.
    workers : int, default 1
        Of joblib's active back end: processes by default; threads within ``joblib.parallel_config("threading")``; and
        within ``joblib.parallel_config("dask")`` all of the cluster, whatever the number. -1 for all there are; 1 is
        this process, without any back end.
    least : int, optional
        Replicates that make an answer: where an interrupt (Ctrl-C) finds as many done, they are returned. By default
        it goes on as KeyboardInterrupt.
    progress : callable, optional
        Called with the number of replicates done after each block, in order.

    Returns
    -------
    list
        One result a block, in order. After an interrupt the leading blocks that were done: what the same call with so
        many replicates returns.

    Raises
    ------
    SpecificationError
        Workers that are no whole number from 1 up, nor -1.
    BenchmodelsError
        Workers lost three times in a row without a block done between.
    KeyboardInterrupt
        Before ``least`` replicates were done.

    Warns
    -----
    PartialResultWarning
        An interrupt: counts the replicates done.

    Notes
    -----
    Blocks that were with a worker that died are done again, by the same generators; blocks done stay. Processes take
    a second to start, and the first second of work is done here, so that small work starts none. What ``work`` closes
    over is sent to each machine of a cluster once; to processes with every block, but for arrays above a megabyte,
    which go through one file. All of it: test_parallel.py.

    Examples
    --------
    >>> parts = map_blocks(lambda size, rng: rng.normal(size=size), 60, rng=1)
    >>> [len(part) for part in parts]
    [25, 25, 10]
    """
    whole = isinstance(workers, Integral) and not isinstance(workers, bool)
    if not whole or (workers < 1 and workers != -1):
        raise SpecificationError(f"workers={workers!r}; give a whole number from 1 up, or -1 for all there are")
    sizes = [min(block, replicates - done) for done in range(0, replicates, block)]
    children = np.random.default_rng(rng).spawn(len(sizes))
    jobs = list(zip(range(len(sizes)), sizes, children, strict=True))
    found: dict[int, Result] = {}
    leading = done = 0
    try:
        with closing(_results(work, jobs, workers)) as stream:
            for place, result in stream:
                found[place] = result
                while leading in found:
                    done += sizes[leading]
                    leading += 1
                    if progress is not None:
                        progress(done)
    except KeyboardInterrupt:
        if least is None or done < max(least, 1):
            raise
        if done < replicates:
            warnings.warn(
                f"interrupted with {done} of {replicates} replicates done: the answer is that of {done}",
                PartialResultWarning,
                stacklevel=4,
            )
    return [found[place] for place in range(leading)]


def _results(
    work: Callable[[int, np.random.Generator], Result], jobs: list[Job], workers: int
) -> Generator[tuple[int, Result]]:
    """Yield blocks as they are done, which need not be in order; those that lost workers leave are done again."""
    left = {job[0]: job for job in jobs}
    started, here = time.perf_counter(), _seconds_here(len(jobs), workers)
    for job in jobs:
        if time.perf_counter() - started >= here:
            break
        yield _one(work, *job)
        del left[job[0]]
    losses = 0
    while left:
        try:
            with closing(_sent(work, list(left.values()), workers)) as stream:
                for place, result in stream:
                    del left[place]
                    losses = 0
                    yield place, result
        except Exception as error:
            if not _lost(error):
                raise
            losses += 1
            if losses == _LOSSES:
                raise BenchmodelsError(
                    f"workers were lost {losses} times in a row, with {len(jobs) - len(left)} of {len(jobs)} blocks "
                    f"done; give fewer workers, or look at why they end: {type(error).__name__}: {_first_line(error)}"
                ) from error


def _seconds_here(blocks: int, workers: int) -> float:
    """Return for how long blocks are done in this process: always, for as long as others take to start, or not."""
    if workers == 1 or blocks == 1:
        return np.inf
    from joblib.parallel import get_active_backend

    backend, _ = get_active_backend()
    there = getattr(backend, "supports_sharedmem", False) or _client(backend) is not None
    return 0.0 if there else _START


def _client(backend: object) -> Any:
    """Return the client of a back end that is a Dask cluster, or None."""
    client = getattr(backend, "client", None)
    return client if type(client).__module__.partition(".")[0] == "distributed" else None


def _lost(error: Exception) -> bool:
    """Whether workers were lost, and not the work at fault."""
    return isinstance(error, BrokenExecutor | CancelledError) or type(error).__module__.startswith("distributed.")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0]


def _one(
    work: Callable[[int, np.random.Generator], Result], place: int, size: int, child: np.random.Generator
) -> tuple[int, Result]:
    with one_blas_thread():
        return place, work(size, child)


def _sent(
    work: Callable[[int, np.random.Generator], Result], jobs: list[Job], workers: int
) -> Generator[tuple[int, Result]]:
    """Yield blocks as joblib's active back end has done them."""
    from joblib import Parallel, delayed
    from joblib.parallel import get_active_backend

    client = _client(get_active_backend()[0])
    if client is not None:
        yield from _from_cluster(client, work, jobs)
        return
    stream = Parallel(n_jobs=workers, return_as="generator_unordered")(delayed(_one)(work, *job) for job in jobs)
    try:
        # Not ``yield from``, which would close the stream before warnings are off.
        for each in stream:  # noqa: UP028
            yield each
    finally:
        with warnings.catch_warnings():
            # That some of the work was not wanted any more.
            warnings.simplefilter("ignore")
            stream.close()


def _from_cluster(
    client: Any, work: Callable[[int, np.random.Generator], Result], jobs: list[Job]
) -> Generator[tuple[int, Result]]:
    """Yield blocks as a Dask cluster has done them.

    Not through joblib: what it sends there with every block, or to one worker that may die, goes to all of them once;
    and it waits forever for a block that the scheduler has given up.
    """
    from distributed import as_completed

    if client.status != "running":
        raise CancelledError(f"the client of the cluster is {client.status}")
    try:
        everywhere = client.scatter(work, broadcast=True, hash=False)
    except TimeoutError as error:
        raise CancelledError("the cluster has no workers") from error
    left = {client.submit(_one, everywhere, *job, pure=False) for job in jobs}
    try:
        for future in as_completed(list(left)):
            result = future.result()
            left.remove(future)
            yield result
    finally:
        if left:
            client.cancel(list(left))
