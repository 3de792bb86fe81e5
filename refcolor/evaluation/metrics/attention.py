"""The accuracy of the attention, and the part of each cell."""

import torch
import torch.nn.functional as F
from torch import Tensor


def attention_accuracy(
    strongest: Tensor, *, key: Tensor, mask: Tensor, cells: tuple[int, int]
) -> float:
    """Return the share of queries whose strongest key is at most one cell from the match.

    strongest: (B, N_s) int64, the key with the largest logit of each query; key: (B, N_s) int64,
    the known match; mask: (B, N_s) bool, the queries that count (foreground, match known);
    cells: rows and columns of the reference's cells, numbered row by row. Distance: Chebyshev.
    NaN for an empty mask.
    """
    columns = cells[1]
    if int(strongest.max()) >= cells[0] * columns:
        raise ValueError(f"cells must hold key {int(strongest.max())}, got {cells[0]} x {columns}")
    rows_apart = (strongest // columns - key // columns).abs()
    columns_apart = (strongest % columns - key % columns).abs()
    near = torch.maximum(rows_apart, columns_apart) <= 1
    count = int(mask.sum())
    return int((near & mask).sum()) / count if count else float("nan")


def same_place(queries: tuple[int, int], keys: tuple[int, int]) -> Tensor:
    """Give the key at the place of each query: attention that never moves.

    queries, keys: rows and columns of their cells, which divide the same square.
    Returns (N_s,) int64; cells are numbered row by row.
    """
    rows, columns = (
        (2 * torch.arange(count) + 1) * of_keys // (2 * count)
        for count, of_keys in zip(queries, keys, strict=True)
    )
    return (rows[:, None] * keys[1] + columns).flatten()


def cell_parts(parts: Tensor, *, cells: tuple[int, int], labels: int) -> Tensor:
    """Label each cell with the part that covers most of it, the lowest label among equals.

    parts: (B, H, W) of any integer type, values below `labels`; cells divide H and W.
    Returns (B, N) int64.
    """
    block = (parts.shape[1] // cells[0], parts.shape[2] // cells[1])
    shares = torch.stack([F.avg_pool2d((parts == label).float(), block) for label in range(labels)])
    return shares.argmax(dim=0).flatten(1)
