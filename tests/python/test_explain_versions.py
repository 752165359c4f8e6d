"""`explain` shows the versions that are installed, and those that a result was made with."""

import pandas as pd

from afml_cache import robust_cacheable
from afml_cache.explanation import compare


@robust_cacheable
def mean(frame: pd.DataFrame) -> float:
    """Average a frame."""
    return float(frame.to_numpy().mean())


def test_the_versions_of_what_a_call_reaches_are_shown() -> None:
    frame = pd.DataFrame({"a": [1.0]})
    assert f"pandas {pd.__version__}" in mean.explain(frame).versions
    mean(frame)
    assert f"pandas {pd.__version__}" in mean.explain(frame).versions
    assert not mean.explain(frame).reasons


def test_another_version_is_told_and_is_no_reason() -> None:
    def parts(version: str, argument: str) -> list[tuple[str, str, str]]:
        return [("argument `a`", argument, argument), ("installed pandas", version, version)]

    said = compare("f", "key", False, parts("3.1.1", "5"), [parts("3.0.0", "4")])
    assert said.reasons == ("argument `a` changed from 4 to 5",)
    assert said.versions == ("pandas 3.1.1 (3.0.0 then)",)
    assert compare("f", "key", True, parts("3.1.1", "5"), [parts("3.1.1", "5")]).versions == (
        "pandas 3.1.1",
    )
    assert compare("f", "key", False, parts("3.1.1", "5"), []).reasons == ("never called before",)
