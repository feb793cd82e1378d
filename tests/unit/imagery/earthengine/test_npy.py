"""Headers of NPY 1.0, against those that numpy writes."""

import ast
import gc
import io
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.imagery.earthengine.npy import Header, read_header


def saved(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def with_header(text: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode("latin-1")


names = st.lists(st.text("ABVHs12_ .,()[]{}:", min_size=1, max_size=6), min_size=1, max_size=16, unique=True)
shapes = st.lists(st.integers(0, 4), max_size=3)
kinds = st.sampled_from(["<u2", "<f4", ">i8", "|u1"])


@given(names, shapes, st.lists(kinds, min_size=16, max_size=16), st.booleans())
def test_what_numpy_writes_is_read(names: list[str], shape: list[int], types: list[str], fortran: bool) -> None:
    fields = tuple(zip(names, types, strict=False))
    array = np.zeros(shape, list(fields), order="F" if fortran else "C")
    body = saved(array)
    header = read_header(body)
    assert (header.fields, header.shape, header.dtype) == (fields, array.shape, array.dtype)
    assert header.fortran == (array.flags.f_contiguous and not array.flags.c_contiguous)
    assert header.offset == len(body) - array.nbytes


def test_an_array_without_fields_has_one_without_a_name() -> None:
    assert read_header(saved(np.zeros((2, 3), "<f4"))).fields == (("", "<f4"),)


@pytest.mark.parametrize(
    "text",
    [
        "{'shape': (2, 3), 'fortran_order': False, 'descr': [('a', '<u2'), ('b', '<f4')]}",
        '{"descr":[("a","<u2"),("b","<f4"),],"fortran_order":False,"shape":(2,3,),}\n',
        "{ 'descr' : [ ( 'a' , '<u2' ) , ( 'b' , '<f4' , ) ] , 'fortran_order' : False , 'shape' : ( 2 , 3 ) } \n",
    ],
)
def test_however_it_is_written(text: str) -> None:
    body = with_header(text)
    fields = (("a", "<u2"), ("b", "<f4"))
    assert read_header(body) == Header(fields=fields, shape=(2, 3), fortran=False, offset=len(body))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "{'descr': '<u2', 'fortran_order': False}",
        "{'descr': '<u2', 'fortran_order': False, 'fortran_order': False}",
        "{'descr': '<u2', 'fortran_order': False, 'shape': (2, 3), 'more': 1}",
        "{'descr': '<u2', 'fortran_order': 0, 'shape': (2, 3)}",
        "{'descr': '<u2', 'fortran_order': False, 'shape': (-2, 3)}",
        "{'descr': '<u2', 'fortran_order': False, 'shape': (2 3)}",
        "{'descr': '<u2', 'fortran_order': False, 'shape': [2, 3]}",
        "{'descr': [('a', '<u2') ('b', '<u2')], 'fortran_order': False, 'shape': (2, 3)}",
        "{'descr': [('a', '<u2', (2,))], 'fortran_order': False, 'shape': (2, 3)}",
        "{'descr': __import__('os'), 'fortran_order': False, 'shape': (2, 3)}",
        "{'descr': '<u2', 'fortran_order': False, 'shape': (2, 3)",
        "{'descr': '<u2', 'fortran_order': False, 'shape': (" + "9" * 5000 + ",)}",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read_header(with_header(text))


def test_every_cut_and_other_versions_are_refused() -> None:
    body = saved(np.zeros(0, [("a", "<u2")]))
    for damaged in [body[:length] for length in range(len(body))] + [body.replace(b"\x01\x00", b"\x02\x00", 1)]:
        with pytest.raises(ValueError, match=r"NPY|header"):
            read_header(damaged)


@pytest.fixture
def threads_change_places_anywhere() -> Iterator[None]:
    """Whatever allocates may let another thread run: the garbage collector, which comes often, gives way to it."""

    def give_way(*_: object) -> None:
        time.sleep(0)

    before = gc.get_threshold()
    gc.callbacks.append(give_way)
    gc.set_threshold(50)
    yield
    gc.set_threshold(*before)
    gc.callbacks.remove(give_way)


@pytest.mark.usefixtures("threads_change_places_anywhere")
def test_headers_are_read_by_40_threads_at_once() -> None:
    # numpy's own reader ends in SystemError here, on CPython 3.11.
    fields = [(f"s2_B{band:02}", "<u2") for band in range(13)] + [("s1_VV", "<f4"), ("s1_VH", "<f4")]

    def read(thread: int) -> None:
        for turn in range(150):
            # Another shape each time: each header is a new one.
            header = read_header(
                with_header(f"{{'descr': {fields}, 'fortran_order': False, 'shape': ({thread}, {turn}), }}")
            )
            assert header.shape == (thread, turn) and list(header.fields) == fields

    with ThreadPoolExecutor(40) as threads:
        list(threads.map(read, range(40)))


def test_nothing_is_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> NoReturn:
        raise AssertionError("a header is evaluated")

    monkeypatch.setattr(ast, "literal_eval", never)
    monkeypatch.setattr(ast, "parse", never)
    assert read_header(with_header("{'descr': '<u2', 'fortran_order': False, 'shape': (7, 9)}")).shape == (7, 9)
