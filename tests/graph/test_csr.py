"""The transpose against scipy's, compiled and by torch."""

from __future__ import annotations

import pytest
import scipy.sparse
import torch

from redditgnn.graph import csr
from redditgnn.graph.csr import CSR, pointers, row_of_edge, with_self_loops
from redditgnn.runtime.numba_threads import numba_works

SHAPES = {"empty": (0, 4, 0), "no edges": (3, 2, 0), "tall": (30, 4, 100), "wide": (4, 50, 60)}


@pytest.fixture(params=["numba", "torch"])
def backend(request, monkeypatch):
    monkeypatch.setattr(csr, "numba_works", lambda: request.param == "numba")


def random_csr(num_dst: int, num_src: int, num_edges: int, dtype: torch.dtype) -> CSR:
    generator = torch.Generator().manual_seed(0)
    row = torch.randint(max(num_dst, 1), (num_edges,), generator=generator)
    col = torch.randint(num_src, (num_edges,), generator=generator, dtype=dtype)
    return CSR(pointers(torch.bincount(row, minlength=num_dst)), col, num_src)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
@pytest.mark.every_python
def test_the_transpose_is_that_of_scipy_and_its_edges_lead_back(shape, dtype):
    matrix = random_csr(*shape, dtype)
    number = torch.arange(1, shape[2] + 1)
    arrays = (number.numpy(), matrix.col.numpy(), matrix.rowptr.numpy())
    expected = scipy.sparse.csr_array(arrays, (matrix.num_dst, matrix.num_src)).tocsc()
    assert matrix.transpose.rowptr.tolist() == expected.indptr.tolist()
    assert matrix.transpose.row.tolist() == expected.indices.tolist()
    assert number[matrix.edge_of_transpose].tolist() == expected.data.tolist()


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
@pytest.mark.every_python
def test_a_self_loop_stands_at_the_end_of_each_row_and_the_rest_stays(shape, dtype):
    matrix = random_csr(*shape, dtype)
    rowptr, col = with_self_loops(matrix)
    assert col.dtype == dtype
    for row in range(matrix.num_dst):
        entries = matrix.col[matrix.rowptr[row] : matrix.rowptr[row + 1]].tolist()
        assert col[rowptr[row] : rowptr[row + 1]].tolist() == [*entries, row]
    assert len(rowptr) == matrix.num_dst + 1
    assert len(col) == len(matrix.col) + matrix.num_dst


def test_the_transpose_is_computed_once():
    matrix = random_csr(5, 5, 9, torch.int32)
    assert matrix.transpose is matrix.transpose


def test_rows_with_a_known_number_of_edges_are_the_same():
    matrix = random_csr(30, 4, 100, torch.int32)
    assert torch.equal(row_of_edge(matrix.rowptr), row_of_edge(matrix.rowptr, 100))
    assert torch.equal(matrix.row, row_of_edge(matrix.rowptr))


def test_a_transpose_asked_for_while_torch_compiles_leaves_numba_working():
    assert numba_works()
    numba_works.cache_clear()
    try:
        matrix = random_csr(4, 5, 9, torch.int32)
        compiled = torch.compile(lambda h, matrix: h + matrix.transpose.row, backend="eager")
        assert torch.equal(compiled(torch.zeros(9), matrix), matrix.transpose.row.float())
        assert numba_works()
    finally:
        numba_works.cache_clear()
