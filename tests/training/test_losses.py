"""The loss terms of the paper against numbers worked by hand."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from refcolor.model.attention import DenseCorrespondence
from refcolor.training import losses
from refcolor.training.augment import Match


def draw(*shape: int, seed: int) -> Tensor:
    """Draw features."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def all_known(key: Tensor) -> Match:
    """Make a match that is known everywhere."""
    return Match(key, torch.ones_like(key, dtype=torch.bool))


def test_reconstruction_worked_by_hand() -> None:
    """Eq. 6: (|0.5| + |-0.25 - 0.5| + 0 + 1) / 4."""
    result = torch.tensor([0.5, -0.25, 1.0, 0.0]).reshape(1, 1, 2, 2)
    target = torch.tensor([0.0, 0.5, 1.0, -1.0]).reshape(1, 1, 2, 2)
    assert losses.reconstruction(result, target).item() == pytest.approx(2.25 / 4)


def test_adversarial_terms_worked_by_hand() -> None:
    """Eq. 7: D gives 0.5 and 2 to real, 1 and -1 to fake pictures."""
    real, fake = torch.tensor([0.5, 2.0]), torch.tensor([1.0, -1.0])
    # 1/2 [((0.5 - 1)^2 + (2 - 1)^2) / 2 + (1 + 1) / 2] and ((1 - 1)^2 + (-1 - 1)^2) / 2.
    discriminator = losses.adversarial_discriminator(real, fake).item()
    assert discriminator == pytest.approx(0.5 * (1.25 / 2 + 1))
    assert losses.adversarial_generator(fake).item() == pytest.approx(2.0)


def test_perceptual_sums_layers_and_averages_entries() -> None:
    """Eq. 8: mean difference 0.5 in a large layer and 2 in a small one make 2.5."""
    result = [torch.full((2, 3, 5, 7), 1.5), torch.full((2, 11, 1, 1), -1.0)]
    target = [torch.full((2, 3, 5, 7), 1.0), torch.full((2, 11, 1, 1), 1.0)]
    assert losses.perceptual(result, target).item() == pytest.approx(2.5)


@pytest.mark.parametrize(
    ("precision", "tolerance"), [(torch.float32, 1e-6), (torch.bfloat16, 2**-8)]
)
def test_perceptual_is_the_mean_absolute_difference_of_torch(
    precision: torch.dtype, tolerance: float
) -> None:
    """Value, in float32, and both gradients are those of `F.l1_loss` in float64."""
    ours = [draw(2, 3, 5, 7, seed=seed).to(precision).requires_grad_() for seed in (1, 2)]
    theirs = [x.detach().double().requires_grad_() for x in ours]
    loss, known = losses.perceptual(ours[:1], ours[1:]), F.l1_loss(*theirs)
    (3 * loss).backward(), (3 * known).backward()
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(known.item(), rel=tolerance)
    for x, y in zip(ours, theirs, strict=True):
        assert x.grad.dtype == precision
        assert torch.allclose(x.grad.double(), y.grad, rtol=tolerance)


def test_perceptual_refuses_another_number_of_layers() -> None:
    """Two networks cannot be compared by accident."""
    with pytest.raises(ValueError, match="shorter"):
        losses.perceptual([torch.zeros(1, 1, 1, 1)] * 2, [torch.zeros(1, 1, 1, 1)])


def test_gram_worked_by_hand() -> None:
    """Two channels of 1 x 2 pixels: products of channels, divided by C * H * W = 4."""
    features = torch.tensor([[1.0, 2.0], [3.0, -1.0]]).reshape(1, 2, 1, 2)
    assert torch.allclose(losses.gram(features), torch.tensor([[[5.0, 1.0], [1.0, 10.0]]]) / 4)


def test_gram_of_a_larger_picture_equals_a_double_loop() -> None:
    """Prime sizes: each entry is the sum of products over places of that picture alone."""
    features = draw(2, 3, 5, 7, seed=1)
    gram = losses.gram(features)
    assert gram.shape == (2, 3, 3)
    for b in range(2):
        for i in range(3):
            for j in range(3):
                expected = (features[b, i] * features[b, j]).sum() / (3 * 5 * 7)
                assert gram[b, i, j].item() == pytest.approx(expected.item(), abs=1e-6)


def test_gram_stays_float32_under_bfloat16() -> None:
    """Sums of products over places lose too much in bfloat16, so autocast is kept out."""
    features = draw(2, 3, 5, 7, seed=1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        gram = losses.gram(features)
    assert gram.dtype == torch.float32
    assert torch.equal(gram, losses.gram(features))


def test_style_worked_by_hand() -> None:
    """Eq. 9: Gram matrices [5 1; 1 10] / 4 and zero differ by 17 / 16 on average."""
    features = torch.tensor([[1.0, 2.0], [3.0, -1.0]]).reshape(1, 2, 1, 2)
    assert losses.style(features, torch.zeros_like(features)).item() == pytest.approx(17 / 16)


def test_style_never_compares_pictures_of_a_batch() -> None:
    """Style of a batch of 2 is the mean of two batches of 1."""
    result, target = draw(2, 3, 5, 7, seed=1), draw(2, 3, 5, 7, seed=2)
    both = losses.style(result, target)
    alone = [losses.style(result[i : i + 1], target[i : i + 1]) for i in range(2)]
    assert both.item() == pytest.approx((alone[0] + alone[1]).item() / 2, rel=1e-5)
    assert alone[0].item() != pytest.approx(alone[1].item(), rel=0.01)


@pytest.mark.parametrize(
    "loss",
    [
        losses.reconstruction,
        lambda x, _y: losses.adversarial_generator(x),
        lambda x, y: losses.perceptual([x, 2 * x], [y, 2 * y]),
        losses.style,
    ],
    ids=["reconstruction", "adversarial", "perceptual", "style"],
)
def test_every_term_has_a_gradient_for_the_picture(loss: object) -> None:
    """No term is cut off from the picture that it judges."""
    result = draw(2, 3, 5, 7, seed=1).requires_grad_()
    loss(result, draw(2, 3, 5, 7, seed=2)).backward()  # type: ignore[operator]
    assert (result.grad.flatten(1).abs().sum(dim=1) > 0).all()


def test_triplet_worked_by_hand() -> None:
    """Eq. 5 over the known queries 0, 1 and 2: hinges 2, 0 and 12 make 14 / 3."""
    logits = torch.tensor([[[14.0, 4.0, 0.0], [0.0, 20.0, 1.0], [5.0, 0.0, 5.0], [9.0, 0.0, 0.0]]])
    match = Match(torch.tensor([[0, 1, 2, 1]]), torch.tensor([[True, True, True, False]]))
    negative = torch.tensor([[1, 2, 0, 0]])
    # 4 - 14 + 12 = 2;  1 - 20 + 12 < 0;  5 - 5 + 12 = 12;  the last query does not count.
    found = losses.triplet(logits, match, negative, margin=12)
    assert found.item() == pytest.approx(14 / 3)


def test_match_worked_by_hand() -> None:
    """Cross-entropy of the known queries: log(1 + e^-2 + e^-3) and log 3 by their mean."""
    logits = torch.tensor([[[2.0, 0.0, -1.0], [4.0, 4.0, 4.0], [9.0, 0.0, 0.0]]])
    match = Match(torch.tensor([[0, 2, 1]]), torch.tensor([[True, True, False]]))
    expected = (math.log(1 + math.exp(-2) + math.exp(-3)) + math.log(3)) / 2
    assert losses.match(logits, match).item() == pytest.approx(expected, rel=1e-5)


def test_match_picks_keys_and_not_queries() -> None:
    """With 2 queries and 5 keys the softmax runs over keys."""
    logits = draw(3, 2, 5, seed=1)
    key = torch.tensor([[4, 0], [1, 3], [2, 2]])
    expected = -logits.log_softmax(dim=2).gather(2, key[..., None]).mean()
    assert losses.match(logits, all_known(key)).item() == pytest.approx(expected.item(), rel=1e-5)


def test_match_ignores_a_constant() -> None:
    """A constant on all logits of a query is what a softmax ignores."""
    logits, match = draw(2, 7, 11, seed=1), all_known(torch.arange(14).reshape(2, 7) % 11)
    shifted = logits + draw(2, 7, 1, seed=2)
    found, other = losses.match(logits, match), losses.match(shifted, match)
    assert found.item() == pytest.approx(other.item(), rel=1e-5)


@pytest.mark.parametrize("term", ["triplet", "match"])
def test_nothing_known_gives_zero(term: str) -> None:
    """A batch without any known match costs nothing, and its gradient is zero, not NaN."""
    logits = draw(1, 5, 7, seed=1).requires_grad_()
    match = Match(torch.zeros(1, 5, dtype=torch.int64), torch.zeros(1, 5, dtype=torch.bool))
    if term == "triplet":
        loss = losses.triplet(logits, match, torch.full((1, 5), 3), margin=12)
    else:
        loss = losses.match(logits, match)
    loss.backward()
    assert loss.item() == 0
    assert (logits.grad == 0).all()


@pytest.mark.parametrize("term", ["triplet", "match"])
def test_masked_queries_get_no_gradient(term: str) -> None:
    """Queries without a known match are left alone, whatever key stands there."""
    logits = draw(2, 5, 7, seed=1).requires_grad_()
    known = torch.tensor([[True, False, True, False, False], [False] * 4 + [True]])
    match = Match(torch.full((2, 5), 2), known)
    if term == "triplet":
        losses.triplet(logits, match, torch.full((2, 5), 6), margin=12).backward()
    else:
        losses.match(logits, match).backward()
    assert torch.equal(logits.grad.abs().sum(dim=2) > 0, known)


def test_triplet_pulls_right_and_wrong_key_apart() -> None:
    """The gradient raises the positive and lowers the negative of the active queries only."""
    logits = torch.tensor([[[0.0, 0.0, 0.0], [20.0, 0.0, 0.0]]], requires_grad=True)
    losses.triplet(
        logits, all_known(torch.tensor([[0, 0]])), torch.tensor([[2, 1]]), margin=12
    ).backward()
    assert logits.grad.tolist() == [[[-0.5, 0.0, 0.5], [0.0, 0.0, 0.0]]]


@pytest.mark.parametrize("term", ["triplet", "match"])
def test_queries_and_keys_learn_and_values_do_not(term: str) -> None:
    """Both sides of the hinge are attention logits: W_q and W_k learn, W_v cannot shrink it."""
    torch.manual_seed(0)
    attention = DenseCorrespondence(11)
    logits = attention(sketch=draw(1, 11, 5, 7, seed=1), reference=draw(1, 11, 5, 7, seed=2)).logits
    match = all_known(torch.arange(35)[None])
    if term == "triplet":
        losses.triplet(logits, match, match.key.flip(1), margin=12).backward()
    else:
        losses.match(logits, match).backward()
    assert attention.query.weight.grad.abs().max() > 0
    assert attention.key.weight.grad.abs().max() > 0
    assert attention.value.weight.grad is None


def test_negatives_are_the_keys_more_than_one_cell_from_the_match() -> None:
    """For each place of the match the numbers from 0 to 1 select every other key once, in order."""
    rows, columns = 5, 7
    for key in range(rows * columns):
        row, column = divmod(key, columns)
        far = [
            other
            for other in range(rows * columns)
            if max(abs(other // columns - row), abs(other % columns - column)) > 1
        ]
        uniform = (torch.arange(len(far))[None] + torch.rand(1, len(far))) / len(far)
        match = all_known(torch.full((1, len(far)), key))
        negative = losses.choose_negatives(match, uniform, cells=(rows, columns))
        assert negative.tolist() == [far]


def test_without_a_key_away_from_the_match_any_key_is_the_negative() -> None:
    """Around the centre of 3 x 3 keys there is no other key; the result is still a key."""
    match = all_known(torch.full((2, 4), 4))
    negative = losses.choose_negatives(match, torch.rand(2, 4), cells=(3, 3))
    assert ((negative >= 0) & (negative < 9)).all()
