"""Blocks over workers: the same answer everywhere, also where workers die or somebody interrupts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest

from benchmodels import parallel
from benchmodels.errors import BenchmodelsError, PartialResultWarning, SpecificationError
from benchmodels.frontier import DEA, bootstrap
from benchmodels.parallel import map_blocks, one_blas_thread

# A unit that every subsample with an answer holds has none.
pytestmark = pytest.mark.filterwarnings("ignore:.* have no interval")
KINDS = [{"kind": "smoothed"}, {"kind": "subsample", "subset": 25}]


@pytest.fixture
def at_once(monkeypatch):
    """Nothing is done here first: small work too goes to processes."""
    monkeypatch.setattr(parallel, "_START", 0.0)


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=2, processes=True, dashboard_address=":0", memory_limit=0
        ) as local,
        distributed.Client(local) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def fit():
    rng = np.random.default_rng(3)
    table = pd.DataFrame(rng.uniform(1, 2, (40, 3)), columns=["x", "z", "y"]).assign(unit=range(40))
    return DEA(inputs=["x", "z"], outputs=["y"], unit="unit", orientation="input").fit(table)


def normals(size, rng):
    return rng.normal(size=size)


def closure(matrix):
    """Work that BLAS has a part in, and that closes over its data."""

    def work(size, rng):
        return rng.normal(size=(size, len(matrix))) @ matrix

    return work


def mortal(flag: Path):
    """Normals, where the block that is first to find no flag kills its worker; never this process."""
    here = os.getpid()

    def work(size, rng):
        if os.getpid() != here:
            try:
                os.close(os.open(flag, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                pass
            else:
                os.kill(os.getpid(), signal.SIGKILL)
        return rng.normal(size=size)

    return work


def stopped_after(number):
    def progress(done):
        if done >= number:
            raise KeyboardInterrupt

    return progress


def same(one, two):
    assert len(one) == len(two)
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)


# One answer


@pytest.mark.parametrize(("backend", "many"), [("threading", (2, 3, -1)), ("loky", (2, -1))])
def test_one_answer_for_any_number_of_workers_and_any_back_end(at_once, backend, many):
    matrix = np.asfortranarray(np.random.default_rng(0).normal(size=(300, 40)))
    alone = map_blocks(closure(matrix), 205, block=10, rng=8)
    assert [len(part) for part in alone] == [10] * 20 + [5]
    for workers in many:
        told = []
        with joblib.parallel_config(backend):
            same(alone, map_blocks(closure(matrix), 205, block=10, rng=8, workers=workers, progress=told.append))
        assert told == [*range(10, 201, 10), 205]


def test_it_is_each_blocks_own_child_that_draws():
    children = np.random.default_rng(5).spawn(3)
    same(map_blocks(normals, 60, rng=5), [c.normal(size=n) for c, n in zip(children, (25, 25, 10), strict=True)])
    assert map_blocks(normals, 0, rng=5) == []


@pytest.mark.parametrize("options", KINDS)
def test_one_frontier_bootstrap_on_processes_and_threads(at_once, fit, options):
    alone = fit.bootstrap(replicates=110, rng=3, **options)
    for backend in ("loky", "threading"):
        with joblib.parallel_config(backend):
            found = fit.bootstrap(replicates=110, rng=3, workers=2, **options)
        np.testing.assert_array_equal(alone.errors, found.errors)
        pd.testing.assert_frame_equal(alone.to_frame(), found.to_frame(), check_exact=True)


def test_from_a_thread_that_is_not_the_main_one(at_once):
    found = []
    thread = threading.Thread(target=lambda: found.append(map_blocks(normals, 100, rng=1, workers=2)))
    thread.start()
    thread.join()
    same(map_blocks(normals, 100, rng=1), found[0])


def test_small_work_starts_no_processes(monkeypatch):
    def none(*args, **kwargs):
        raise AssertionError("a pool was started")

    monkeypatch.setattr(joblib, "Parallel", none)
    alone = map_blocks(normals, 100, rng=1)
    same(alone, map_blocks(normals, 100, rng=1, workers=2))
    monkeypatch.setattr(parallel, "_START", 0.0)
    same(map_blocks(normals, 20, rng=1), map_blocks(normals, 20, rng=1, workers=2))
    with pytest.raises(AssertionError, match="a pool"):
        map_blocks(normals, 100, rng=1, workers=2)


@pytest.mark.parametrize("workers", [0, -2, True, "2", None, 2.5, 2.0, -1.0])
def test_workers_that_cannot_be_meant(fit, workers):
    with pytest.raises(SpecificationError, match="give a whole number from 1 up, or -1 for all"):
        map_blocks(normals, 100, workers=workers)
    with pytest.raises(SpecificationError, match="workers="):
        fit.bootstrap(kind="smoothed", replicates=100, workers=workers)


@pytest.mark.parametrize("backend", ["threading", pytest.param("loky", marks=pytest.mark.slow)])
def test_errors_of_the_work_are_its_own(at_once, backend):
    def work(size, rng):
        raise ZeroDivisionError("of the work")

    with joblib.parallel_config(backend), pytest.raises(ZeroDivisionError, match="of the work"):
        map_blocks(work, 100, rng=1, workers=2)


def test_blas_has_one_thread_until_the_last_has_left(monkeypatch):
    """Two that overlap: when the first leaves, the other still has one thread."""

    class Library:
        user_api, num_threads = "blas", 4

    class Libraries:
        lib_controllers = (Library,)

        def limit(self, *, limits, user_api):
            before, Library.num_threads = Library.num_threads, limits
            return type("Limit", (), {"restore_original_limits": lambda _: setattr(Library, "num_threads", before)})()

    monkeypatch.setattr(parallel, "_PINNED", parallel._Pinned())
    monkeypatch.setattr(parallel, "_libraries", Libraries)
    first, second = one_blas_thread(), one_blas_thread()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert Library.num_threads == 1
    second.__exit__(None, None, None)
    assert Library.num_threads == 4


# Workers that die


@pytest.mark.slow
def test_blocks_of_a_process_that_died_are_done_again(at_once, tmp_path):
    alone, told = map_blocks(normals, 400, block=10, rng=2), []
    same(alone, map_blocks(mortal(tmp_path / "dead"), 400, block=10, rng=2, workers=2, progress=told.append))
    assert (tmp_path / "dead").exists() and told == list(range(10, 401, 10))


def test_what_is_done_is_not_done_again(at_once, tmp_path):
    """The block that kills comes late; the leading ones were collected long before, and leave one mark each."""
    here = os.getpid()

    def work(size, rng):
        mark = int(rng.integers(2**62))
        with (tmp_path / f"{mark}").open("a") as file:
            file.write("x")
        time.sleep(0.02)
        if size == 5 and os.getpid() != here and not (tmp_path / "dead").exists():
            time.sleep(0.2)
            (tmp_path / "dead").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return mark

    marks = map_blocks(work, 205, block=10, rng=2, workers=2)
    assert marks == map_blocks(lambda size, rng: int(rng.integers(2**62)), 205, block=10, rng=2)
    times = [(tmp_path / f"{mark}").stat().st_size for mark in marks]
    assert times == [1] * 20 + [2]


@pytest.mark.parametrize(("between", "fails"), [(0, True), (1, False)])
def test_workers_that_keep_dying_are_told_of(at_once, monkeypatch, between, fails):
    """Three losses in a row are the end, and none are where every time a block is done between them."""
    sent = []

    def lost(work, jobs, workers):
        sent.append([place for place, *_ in jobs])
        for job in jobs[:between]:
            yield parallel._one(work, *job)
        raise BrokenProcessPool("gone\nand more")

    monkeypatch.setattr(parallel, "_sent", lost)
    if fails:
        with pytest.raises(BenchmodelsError, match="lost 3 times in a row, with 0 of 5 .*: BrokenProcessPool: gone$"):
            map_blocks(normals, 50, block=10, rng=1, workers=2)
        assert sent == [list(range(5))] * 3
    else:
        same(map_blocks(normals, 50, block=10, rng=1), map_blocks(normals, 50, block=10, rng=1, workers=2))
        assert sent == [list(range(first, 5)) for first in range(5)]


@pytest.mark.slow
def test_processes_that_keep_dying_are_told_of(at_once, tmp_path):
    here = os.getpid()

    def work(size, rng):
        if os.getpid() != here:
            with (tmp_path / "tries").open("a") as file:
                file.write("x")
            os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(BenchmodelsError, match=r"lost 3 times in a row, with 0 of 2 blocks done; .* Terminated"):
        map_blocks(work, 50, rng=1, workers=2)
    assert 3 <= (tmp_path / "tries").stat().st_size <= 6


# A cluster


def test_one_answer_on_a_cluster(cluster, fit):
    with joblib.parallel_config("dask"):
        for options in KINDS:
            alone, found = (fit.bootstrap(replicates=110, rng=3, workers=workers, **options) for workers in (1, -1))
            np.testing.assert_array_equal(alone.errors, found.errors)
        matrix, told = np.random.default_rng(0).normal(size=(300, 40)), []
        alone = map_blocks(closure(matrix), 205, block=10, rng=8)
        same(alone, map_blocks(closure(matrix), 205, block=10, rng=8, workers=2, progress=told.append))
    assert told == [*range(10, 201, 10), 205]


def test_errors_of_the_work_come_home_from_a_cluster(cluster):
    def work(size, rng):
        raise ZeroDivisionError("of the work")

    with joblib.parallel_config("dask"), pytest.raises(ZeroDivisionError, match="of the work"):
        map_blocks(work, 100, rng=1, workers=-1)


def test_data_go_to_each_machine_of_a_cluster_once(cluster, tmp_path):
    class Data:
        """Writes down when it is unpacked."""

        def __init__(self, path):
            self.path = path

        def __reduce__(self):
            return opened, (self.path,)

    def opened(path):
        with (path / f"{os.getpid()}").open("a") as file:
            file.write("x")
        return path

    data = Data(tmp_path)

    def work(size, rng):
        assert data
        return rng.normal(size=size)

    with joblib.parallel_config("dask"):
        same(map_blocks(normals, 400, block=10, rng=2), map_blocks(work, 400, block=10, rng=2, workers=-1))
    times = [each.stat().st_size for each in tmp_path.iterdir() if each.name != str(os.getpid())]
    assert times and set(times) == {1}


def test_an_interrupt_frees_the_cluster(cluster):
    def work(size, rng):
        time.sleep(0.05)
        return rng.normal(size=size)

    with (
        joblib.parallel_config("dask"),
        pytest.warns(PartialResultWarning, match="interrupted with 50 of 4000 replicates done"),
    ):
        found = map_blocks(work, 4000, block=10, rng=2, workers=-1, least=20, progress=stopped_after(50))
    same(map_blocks(normals, 50, block=10, rng=2), found)
    for _ in range(100):
        if not any(cluster.processing().values()):
            break
        time.sleep(0.05)
    assert not any(cluster.processing().values())


def test_a_cluster_that_loses_a_worker_gives_the_answer(cluster, fit):
    """Killed by its process id while the blocks of a bootstrap run."""
    pids, killed = list(cluster.run(os.getpid).values()), []

    def progress(done):
        if done == 200:
            killed.append(pids[0])
            os.kill(pids[0], signal.SIGKILL)

    with joblib.parallel_config("dask"):
        found = fit.bootstrap(kind="smoothed", replicates=2000, rng=3, workers=-1, progress=progress)
    np.testing.assert_array_equal(fit.bootstrap(kind="smoothed", replicates=2000, rng=3).errors, found.errors)
    assert killed


@pytest.mark.slow
def test_a_block_that_kills_its_worker_on_a_cluster_is_done_again(cluster, tmp_path):
    with joblib.parallel_config("dask"):
        same(
            map_blocks(normals, 400, block=10, rng=2),
            map_blocks(mortal(tmp_path / "dead"), 400, block=10, rng=2, workers=-1),
        )
    assert (tmp_path / "dead").exists()


@pytest.mark.slow
def test_a_cluster_that_loses_all_workers_and_the_data_gives_the_answer(cluster, fit):
    def progress(done):
        if done == 200:
            for pid in cluster.run(os.getpid).values():
                os.kill(pid, signal.SIGKILL)

    with joblib.parallel_config("dask"):
        found = fit.bootstrap(kind="smoothed", replicates=2000, rng=3, workers=-1, progress=progress)
    np.testing.assert_array_equal(fit.bootstrap(kind="smoothed", replicates=2000, rng=3).errors, found.errors)


@pytest.mark.slow
def test_a_cluster_that_keeps_losing_workers_is_told_of(cluster):
    here = os.getpid()

    def work(size, rng):
        if os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)

    with (
        joblib.parallel_config("dask"),
        pytest.raises(
            BenchmodelsError,
            match="lost 3 times in a row, with 0 of 2 blocks done; .*(KilledWorker|FutureCancelled)",
        ),
    ):
        map_blocks(work, 50, rng=1, workers=-1)


# Interrupts


@pytest.mark.parametrize(
    ("backend", "workers"), [("loky", 1), pytest.param("loky", 2, marks=pytest.mark.slow), ("threading", 2)]
)
def test_an_interrupt_keeps_the_leading_blocks(at_once, backend, workers):
    whole = map_blocks(normals, 70, block=10, rng=4)
    with (
        joblib.parallel_config(backend),
        pytest.warns(PartialResultWarning, match="interrupted with 70 of 2000 replicates done: the answer is that of"),
    ):
        found = map_blocks(normals, 2000, block=10, rng=4, workers=workers, least=70, progress=stopped_after(70))
    same(whole, found)


def test_an_interrupt_with_too_few_done_goes_on():
    for least in (None, 80):
        with pytest.raises(KeyboardInterrupt):
            map_blocks(normals, 2000, block=10, least=least, progress=stopped_after(70))

    def work(size, rng):
        raise KeyboardInterrupt

    for least in (None, 0, 1):
        with pytest.raises(KeyboardInterrupt):
            map_blocks(work, 100, least=least)


def test_an_interrupt_after_the_last_block_has_lost_nothing():
    same(
        map_blocks(normals, 100, rng=4),
        map_blocks(normals, 100, rng=4, least=1, progress=stopped_after(100)),
    )


def test_a_bootstrap_that_is_interrupted_is_the_one_asked_for_with_fewer(fit, monkeypatch):
    """Also what it says of itself: the record keeps the number that was done."""
    monkeypatch.setattr(bootstrap, "map_blocks", partial(map_blocks, least=100))
    for options in KINDS:
        whole = fit.bootstrap(replicates=120, rng=3, **options)
        with pytest.warns(PartialResultWarning, match="interrupted with 120 of 1000 replicates done"):
            found = fit.bootstrap(replicates=1000, rng=3, progress=stopped_after(120), **options)
        assert found.errors.shape == (120, 40)
        pd.testing.assert_frame_equal(whole.to_frame(), found.to_frame(), check_exact=True)
        with pytest.raises(KeyboardInterrupt):
            fit.bootstrap(replicates=1000, rng=3, progress=stopped_after(80), **options)


SCRIPT = """
import os, sys, time, warnings
import numpy as np
from benchmodels import parallel
from benchmodels.errors import PartialResultWarning

parallel._START = 0.0

def work(size, rng):
    time.sleep(0.05 * (not again))
    return rng.normal(size=(size, 2000)).sum(axis=1) + 0 * data[0]

data, again = np.ones(400_000), False
if __name__ == "__main__":
    def progress(done):
        print(done, flush=True)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = parallel.map_blocks(
            work, 4000, block=10, rng=6, workers=int(sys.argv[1]), least=20, progress=progress
        )
    again = True
    alone = parallel.map_blocks(work, 10 * len(found), block=10, rng=6)
    same = all(np.array_equal(a, b) for a, b in zip(found, alone, strict=True))
    print("end", len(found), same, [str(each.message) for each in told], flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ")
@pytest.mark.parametrize(
    ("workers", "group"),
    [pytest.param(1, False, marks=pytest.mark.slow), pytest.param(2, False, marks=pytest.mark.slow), (2, True)],
)
def test_a_real_interrupt(tmp_path, workers, group):
    """As `kill -INT` does, and as Ctrl-C does, which reaches the workers too; nothing stays behind."""
    (tmp_path / "run.py").write_text(textwrap.dedent(SCRIPT))
    child = subprocess.Popen(
        [sys.executable, "run.py", str(workers)],
        cwd=tmp_path,
        env={**os.environ, "JOBLIB_TEMP_FOLDER": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    for line in child.stdout:
        if line.strip() == "50":
            (os.killpg if group else os.kill)(child.pid, signal.SIGINT)
            break
    out, told = child.communicate(timeout=60)
    last = out.strip().splitlines()[-1]
    assert child.returncode == 0, told
    assert last.startswith("end ") and " True ['interrupted with " in last and "of 4000 replicates done" in last
    assert 5 <= int(last.split()[1]) < 40
    assert not [each for each in tmp_path.iterdir() if each.name != "run.py"]
    with pytest.raises(ProcessLookupError):
        for _ in range(100):
            os.killpg(child.pid, 0)
            time.sleep(0.05)


@pytest.mark.slow
def test_nothing_stays_in_temporary_folders(at_once, tmp_path, monkeypatch):
    monkeypatch.setenv("JOBLIB_TEMP_FOLDER", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    matrix = np.random.default_rng(0).normal(size=(2000, 100))
    same(map_blocks(closure(matrix), 40, block=10, rng=8), map_blocks(closure(matrix), 40, block=10, rng=8, workers=2))
    for _ in range(100):
        left = [each for each in (tmp_path / "temporary").rglob("*") if each.is_file()]
        if not left:
            break
        time.sleep(0.05)
    assert not left
