"""Tensors of torch, where it is installed."""

import copy
import pickle

import pytest

from afml_cache import UncacheableArgumentError, digest

torch = pytest.importorskip("torch")


def numbers(**options):
    return torch.arange(6.0, **options).reshape(2, 3)


def test_a_tensor_is_its_dtype_its_shape_and_its_values() -> None:
    complexes = torch.complex(numbers(), numbers())
    made = [
        *(numbers(), numbers() + 1, numbers().T, numbers().reshape(6), numbers().double()),
        *(numbers().bfloat16(), numbers().half(), numbers() > 2, numbers().int(), complexes),
        *(complexes.conj(), torch.tensor(3), torch.empty(0, 3), torch.empty(3, 0)),
        *(numbers().requires_grad_(), torch.nn.Parameter(numbers())),
    ]
    assert len({digest(each) for each in made}) == len(made)
    for value in made:
        assert digest(copy.deepcopy(value)) == digest(value)
        assert digest(pickle.loads(pickle.dumps(value))) == digest(value)


def test_how_a_tensor_lies_in_memory_does_not_count() -> None:
    value = numbers()
    assert digest(value.T.contiguous().T) == digest(value)
    assert digest(torch.arange(12.0).reshape(2, 6)[:, ::2]) == digest(
        torch.arange(12.0).reshape(2, 6)[:, ::2].clone()
    )
    complexes = torch.complex(value, value)
    assert digest(complexes.conj()) == digest(complexes.conj().resolve_conj())


def test_a_gradient_counts() -> None:
    value = numbers().requires_grad_()
    before = digest(value)
    value.sum().backward()
    assert digest(value) != before


@pytest.mark.parametrize(
    ("make", "remedy"),
    [
        (lambda: torch.empty(2, device="meta"), "pass real values"),
        (lambda: numbers().to_sparse(), r"\.to_dense\(\)"),
    ],
)
def test_what_has_no_plain_memory_is_refused(make, remedy: str) -> None:
    with pytest.raises(UncacheableArgumentError, match=remedy):
        digest(make())


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.Linear(3, 2)
        self.register_buffer("seen", torch.zeros(2))

    def forward(self, x):
        return self.layer(x)


def test_a_module_is_its_weights_its_buffers_and_its_mode() -> None:
    weights, buffers, mode = Net(), Net(), Net()
    with torch.no_grad():
        weights.layer.weight[0, 0] += 1e-6
    buffers.seen[1] = 1
    mode.eval()
    assert digest(Net()) == digest(Net()) == digest(copy.deepcopy(Net()))
    assert len({digest(net) for net in (Net(), weights, buffers, mode)}) == 4


def test_types_devices_and_sizes_are_told_apart() -> None:
    made = [torch.float32, torch.float64, torch.device("cpu"), torch.Size([1]), torch.Size([2])]
    assert len({digest(each) for each in [*made, torch.relu, torch.sigmoid]}) == len(made) + 2
