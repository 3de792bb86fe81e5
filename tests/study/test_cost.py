from collections.abc import Callable

from refcolor.params import Params
from refcolor.study.cost import cost


def test_the_cost_of_one_convolution_more(make_params: Callable[..., Params]) -> None:
    """A residual block more costs its two 3 x 3 convolutions and their norms, worked by hand."""
    plain, deeper = (
        make_params({"model.blocks": blocks, "model.levels": 2, "model.width": 2}).model
        for blocks in (1, 2)
    )
    channels, cells = 2 * (2 + 4), 16 * 16  # of all maps of two levels; 32 px at stride 2
    (parameters, operations), (more_parameters, more_operations) = (
        cost(model, size=32) for model in (plain, deeper)
    )
    assert more_operations - operations == 2 * channels * channels * 9 * cells
    convolutions = 2 * channels * channels * 9
    assert 0 <= more_parameters - parameters - convolutions <= 2 * 3 * channels  # bias, batch norm
