"""Objects of libraries: what a function can see of them counts, and nothing else."""

import copy
import pickle
import random

import attrs
import numpy as np
import pandas as pd
import pyarrow as pa
import pydantic
import pytest
import scipy.sparse
import scipy.stats
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from afml_cache import UncacheableArgumentError, digest

FEATURES = np.random.RandomState(0).rand(40, 3)
LABELS = (FEATURES[:, 0] > FEATURES[:, 1]).astype(int)


def distinct(*values):
    return len({digest(value) for value in values}) == len(values)


def forest(**options):
    return RandomForestClassifier(3, **{"random_state": 0, **options})


def test_an_estimator_is_its_parameters_and_what_it_was_fitted_to() -> None:
    fitted = forest().fit(FEATURES, LABELS)
    assert digest(forest()) == digest(forest())
    assert digest(forest().set_params(max_depth=2)) == digest(forest(max_depth=2))
    assert digest(fitted) == digest(forest().fit(FEATURES, LABELS))
    assert digest(fitted) == digest(pickle.loads(pickle.dumps(fitted)))
    assert distinct(forest(), forest(max_depth=2), fitted, forest().fit(FEATURES, 1 - LABELS))


def test_one_changed_tree_in_a_forest_counts() -> None:
    fitted = forest().fit(FEATURES, LABELS)
    changed = copy.deepcopy(fitted)
    changed.estimators_[2].tree_.value[0, 0, 0] += 1e-9
    assert distinct(fitted, changed)


def test_a_parameter_of_a_nested_estimator_counts() -> None:
    assert distinct(
        make_pipeline(LogisticRegression(C=1.0)), make_pipeline(LogisticRegression(C=2.0))
    )


class PurgedKFold(KFold):
    def __init__(self, ends):
        super().__init__(3)
        self.ends = ends


def test_every_end_time_of_a_purged_splitter_counts() -> None:
    ends = pd.Series(pd.date_range("2024-01-01", periods=1000, freq="h", tz="UTC"))
    changed = ends.copy()
    changed.iloc[500] += pd.Timedelta("1h")
    assert digest(PurgedKFold(ends)) == digest(PurgedKFold(ends.copy()))
    assert distinct(PurgedKFold(ends), PurgedKFold(changed), KFold(3))


def test_the_random_state_of_the_process_does_not_count_but_one_of_its_own_does() -> None:
    before = digest(scipy.stats.norm(0, 1))
    np.random.seed(3)  # noqa: NPY002
    assert digest(scipy.stats.norm(0, 1)) == before
    seeded = [scipy.stats.norm(0, 1) for _ in range(3)]
    for place, dist in enumerate(seeded):
        dist.random_state = np.random.default_rng(place // 2)
    assert digest(seeded[0]) == digest(seeded[1]) == digest(copy.deepcopy(seeded[0]))
    assert distinct(scipy.stats.norm(0, 1), seeded[0], seeded[2])
    drawn = digest(seeded[0])
    seeded[0].rvs()
    assert digest(seeded[0]) != drawn


def test_a_frozen_distribution_is_its_name_and_its_arguments() -> None:
    norm, t = scipy.stats.norm, scipy.stats.t
    assert distinct(norm, norm(), norm(0), norm(1), norm(0, 2), norm(loc=0), t(3), t(4), t)


def test_a_generator_is_the_state_that_it_draws_from() -> None:
    def advanced(how):
        generator = np.random.default_rng(0)
        how(generator)
        return generator

    fresh, drawn = np.random.default_rng(0), advanced(lambda rng: rng.normal())
    assert digest(fresh) == digest(np.random.Generator(np.random.PCG64(0)))
    assert digest(drawn) == digest(advanced(lambda rng: rng.normal()))
    spawned = advanced(lambda rng: rng.bit_generator.seed_seq.spawn(1))
    assert distinct(fresh, drawn, spawned, np.random.default_rng(1), np.random.RandomState(0))
    assert distinct(np.random.PCG64(0), np.random.MT19937(0), np.random.Philox(0))


def test_a_jumped_stream_has_one_digest() -> None:
    assert digest(np.random.PCG64(0).jumped()) == digest(np.random.PCG64(0).jumped())
    assert distinct(np.random.PCG64(0), np.random.PCG64(0).jumped())


def test_a_global_random_state_drawn_from_stays_the_same_argument() -> None:
    state = np.random.mtrand._rand
    before = digest(state)
    state.normal()
    assert digest(state) == before


@pytest.mark.parametrize("form", ["csr", "csc", "bsr", "coo", "dia", "lil", "dok"])
def test_a_changed_cell_of_a_sparse_matrix_counts(form: str) -> None:
    dense = np.diag([1.0, 2.0, 3.0])
    changed, elsewhere = dense.copy(), dense.copy()
    changed[1, 1] = 2.5
    elsewhere[0, 1], elsewhere[0, 0] = 1.0, 0.0
    made = [scipy.sparse.csr_matrix(each).asformat(form) for each in (dense, changed, elsewhere)]
    assert digest(made[0]) == digest(scipy.sparse.csr_matrix(dense).asformat(form))
    assert distinct(*made, made[0].astype("float32"), scipy.sparse.csr_array(dense).asformat(form))


def test_what_was_found_out_about_a_sparse_matrix_does_not_count() -> None:
    matrix = scipy.sparse.csr_matrix(np.diag([1.0, 2.0, 3.0]))
    before = digest(matrix)
    assert matrix.has_canonical_format
    assert digest(matrix) == before
    roomy = matrix.copy()
    roomy.data, roomy.indices = (
        np.append(roomy.data, 9.0),
        np.append(roomy.indices, roomy.indices[:1]),
    )
    assert digest(roomy) == before
    assert distinct(matrix, scipy.sparse.csr_matrix(matrix, shape=(3, 3)).T, matrix.toarray())


def test_what_lies_under_a_mask_does_not_count() -> None:
    first = np.ma.masked_array([1.0, 2.0], [False, True])
    assert digest(first) == digest(np.ma.masked_array([1.0, 9.0], [False, True]))
    before = digest(first)
    assert first.fill_value == 1e20
    assert digest(first) == before
    others = [np.ma.masked_array([1.0, 2.0], mask) for mask in ([True, False], False, np.ma.nomask)]
    assert distinct(first, *others[:2], np.ma.masked_array([1.0, 2.0], [False, True], fill_value=0))


def test_every_parameter_of_an_offset_counts() -> None:
    offsets = pd.offsets
    assert distinct(
        *(offsets.BusinessDay(), offsets.BusinessDay(2), offsets.BusinessDay(normalize=True)),
        *(offsets.Week(weekday=1), offsets.Week(weekday=2), offsets.Week()),
        *(pd.DateOffset(months=1), pd.DateOffset(days=1), pd.DateOffset(day=1)),
        *(offsets.CustomBusinessDay(), offsets.CustomBusinessDay(holidays=["2024-01-01"])),
        *(offsets.CustomBusinessDay(weekmask="Mon Tue"), offsets.Hour(1), offsets.Minute(60)),
        offsets.CustomBusinessDay(calendar=np.busdaycalendar("1110000")),
    )


def test_every_parameter_of_a_dtype_counts() -> None:
    assert distinct(
        *(pd.CategoricalDtype([1]), pd.CategoricalDtype([2]), pd.CategoricalDtype([1], True)),
        *(pd.DatetimeTZDtype("ns", "UTC"), pd.DatetimeTZDtype("s", "UTC")),
        *(pd.PeriodDtype("D"), pd.PeriodDtype("M"), pd.Int64Dtype(), pd.Int32Dtype()),
        *(pd.StringDtype("python"), pd.StringDtype("pyarrow"), pd.ArrowDtype(pa.string())),
        *(pd.SparseDtype("float64"), pd.SparseDtype("float64", 0.0)),
    )


class Bars(pd.DataFrame):
    _metadata = ["source"]  # noqa: RUF012

    @property
    def _constructor(self):
        return Bars


def test_a_frame_of_a_subclass_is_its_class_its_cells_and_what_the_class_adds() -> None:
    plain, bars = pd.DataFrame({"a": [1.0, 2.0]}), Bars({"a": [1.0, 2.0]})
    named, changed, noted = bars.copy(), Bars({"a": [1.0, 3.0]}), bars.copy()
    object.__setattr__(named, "source", "broker")
    noted.attrs["unit"] = "USD"
    assert distinct(plain, bars, named, changed, noted)
    assert digest(bars) == digest(bars.copy())


class Config(pydantic.BaseModel):
    model_config = {"extra": "allow"}
    span: int = 1
    _secret: int = pydantic.PrivateAttr(default=2)


def test_everything_in_a_pydantic_model_counts() -> None:
    private = Config()
    private._secret = 3
    assert digest(Config(span=2)) == digest(Config(span=2))
    assert distinct(Config(), Config(span=2), Config(span=1), Config(more=1), private)


@attrs.define(slots=True)
class Order:
    size: int
    tags: list = attrs.Factory(list)


@attrs.frozen(slots=False, cache_hash=True)
class Quote:
    symbol: str


def test_an_attrs_object_is_its_attributes_and_not_its_hash() -> None:
    assert distinct(Order(1), Order(2), Order(1, ["a"]))
    quote = Quote("EURUSD")
    before = digest(quote)
    hash(quote)
    assert digest(quote) == before
    noted = Quote("EURUSD")
    object.__setattr__(noted, "note", 1)
    assert digest(noted) != before


def test_scalars_and_types_of_arrow_are_told_apart() -> None:
    assert distinct(
        *(pa.scalar(1), pa.scalar(1, pa.int8()), pa.scalar(2), pa.scalar(None, pa.int64())),
        *(pa.scalar("1"), pa.scalar([1]), pa.scalar({"a": 1}), pa.int64(), pa.int32()),
        *(pa.field("a", pa.int8()), pa.field("a", pa.int8(), nullable=False)),
        *(pa.schema([("a", pa.int8())]), pa.schema([("a", pa.int8())], {"k": "v"})),
    )
    assert distinct(pa.scalar(5, pa.timestamp("ns")), pa.scalar(6, pa.timestamp("ns")))


def test_the_first_call_of_a_vectorized_function_does_not_count() -> None:
    vectorized = np.vectorize(abs, otypes=[float])
    before = digest(vectorized)
    vectorized([1])
    assert digest(vectorized) == before
    assert distinct(vectorized, np.vectorize(abs), np.vectorize(round, otypes=[float]))


def test_functions_that_draw_on_the_process_are_their_names() -> None:
    drawn = [random.random, random.gauss, np.random.normal, np.random.rand]
    before = [digest(each) for each in drawn]
    drawn[1](0, 1)
    drawn[2]()
    assert [digest(each) for each in drawn] == before
    assert len(set(before)) == 4
    own = random.Random(0).gauss
    assert digest(own) == digest(random.Random(0).gauss) != digest(random.Random(1).gauss)


def test_a_ufunc_of_a_library_is_its_name_and_one_of_the_user_is_refused() -> None:
    assert distinct(np.sqrt, np.exp, scipy.special.expit, scipy.special.erf)
    with pytest.raises(UncacheableArgumentError, match="the Python function"):
        digest(np.frompyfunc(float, 1, 1))


@pytest.mark.parametrize("algorithm", ["kd_tree", "ball_tree"])
def test_asking_for_neighbours_changes_nothing(algorithm: str) -> None:
    model = KNeighborsClassifier(algorithm=algorithm).fit(FEATURES, LABELS)
    before = digest(model)
    model.predict(FEATURES)
    assert digest(model) == before
    assert digest(KNeighborsClassifier(algorithm=algorithm).fit(FEATURES + 1, LABELS)) != before


def test_a_fitted_vectorizer_keeps_no_address() -> None:
    def fitted(words: list[str]) -> TfidfVectorizer:
        return TfidfVectorizer(stop_words=["and"]).fit(words)

    assert digest(fitted(["bid cat", "cat dog"])) == digest(fitted(["bid cat", "cat dog"]))
    assert digest(fitted(["bid cat", "cat dog"])) != digest(fitted(["bid cat", "cat elk"]))
