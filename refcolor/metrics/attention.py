"""Whether the attention looks at the right place, and what looking nowhere would score."""

import torch
import torch.nn.functional as F
from torch import Tensor


def attention_accuracy(
    strongest: Tensor, *, key: Tensor, asked: Tensor, cells: tuple[int, int]
) -> float:
    """Give the share of queries whose strongest key lies within one cell (Chebyshev) of the match.

    strongest: (B, N_s) int64, the key with the largest logit of each query; key: (B, N_s) int64,
    the known match; asked: (B, N_s) bool, the queries that count (foreground, match known);
    cells: rows and columns of the reference's cells, which are numbered row by row.
    NaN when nothing is asked.
    """
    columns = cells[1]
    if int(strongest.max()) >= cells[0] * columns:
        raise ValueError(f"cells must hold key {int(strongest.max())}, got {cells[0]} x {columns}")
    rows_apart = (strongest // columns - key // columns).abs()
    columns_apart = (strongest % columns - key % columns).abs()
    return _share(torch.maximum(rows_apart, columns_apart) <= 1, asked)


def attention_identity(*, key: Tensor, asked: Tensor, cells: tuple[int, int]) -> float:
    """Give the `attention_accuracy` of attention that never moves: the key at the own place.

    Arguments as there; sketch and reference have the same cells.
    """
    own = torch.arange(key.shape[-1], device=key.device).expand_as(key)
    return attention_accuracy(own, key=key, asked=asked, cells=cells)


def attention_part_accuracy(
    strongest: Tensor, *, sketch_parts: Tensor, reference_parts: Tensor, asked: Tensor
) -> float:
    """Give the share of queries whose strongest key lies on the same part.

    strongest: (B, N_s) int64; sketch_parts: (B, N_s) and reference_parts: (B, N_r) int64, the label
    of each cell; asked: (B, N_s) bool, the queries that count. NaN when nothing is asked.
    """
    return _share(reference_parts.gather(1, strongest) == sketch_parts, asked)


def attention_part_identity(
    *, sketch_parts: Tensor, reference_parts: Tensor, asked: Tensor
) -> float:
    """Give the `attention_part_accuracy` of attention that never moves."""
    return _share(reference_parts == sketch_parts, asked)


def cell_parts(parts: Tensor, *, cells: tuple[int, int], labels: int) -> Tensor:
    """Label each cell with the part that covers most of it, the lowest label among equals.

    parts: (B, H, W) of any integer type, values below `labels`; cells divide H and W.
    Returns (B, N) int64.
    """
    block = (parts.shape[1] // cells[0], parts.shape[2] // cells[1])
    shares = torch.stack([F.avg_pool2d((parts == label).float(), block) for label in range(labels)])
    return shares.argmax(dim=0).flatten(1)


def _share(right: Tensor, asked: Tensor) -> float:
    count = int(asked.sum())
    return int((right & asked).sum()) / count if count else float("nan")
