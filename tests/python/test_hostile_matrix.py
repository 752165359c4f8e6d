"""Everything that can run code, attacked in every way, wherever it lies: nothing runs."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from attacks import ATTACKS, KINDS, THEIRS, Place, quarantined_payloads
from hostile import payloads


@pytest.fixture(params=["row", "file", "adopted"])
def place(
    request: pytest.FixtureRequest, run_python: Callable, tmp_path: Path, default_cache: Path
) -> Place:
    return Place(run_python, tmp_path, default_cache, request.param)


@pytest.mark.parametrize("name", ATTACKS)
def test_nothing_forged_runs_and_all_of_it_is_set_aside(
    place: Place, tmp_path: Path, name: str
) -> None:
    ours = place.payloads_of(place.cache, place.victim())
    forged = ATTACKS[name](place, ours, tmp_path / "attack")
    assert forged
    place.put(list(forged.values()))
    shown = place.victim()
    place.check_nothing_ran(shown, list(forged))
    assert set(shown.categories) == {"CacheReadWarning"}
    if place.way != "row":
        assert len(quarantined_payloads(place.cache)) == len(forged)
    assert place.victim().ran == []
    assert shown.said[2] == len(forged)


def test_what_is_sealed_with_another_secret_is_a_plain_miss_and_left_alone(
    place: Place, tmp_path: Path
) -> None:
    place.victim()
    shown = place.run(cache=tmp_path / "attack", builder="evil", key=THEIRS)
    shutil.rmtree(place.marker, ignore_errors=True)
    theirs = place.payloads_of(tmp_path / "attack", shown)
    place.put(list(theirs.values()))
    before = {path: path.read_bytes() for path in payloads(place.cache)}
    shown = place.victim()
    place.check_nothing_ran(shown, list(KINDS))
    assert shown.warned == []
    assert shown.said[2] == 0
    assert quarantined_payloads(place.cache) == []
    if place.way == "adopted":  # else they lie in the place of our own, which is replaced
        assert {path: path.read_bytes() for path in before if path.exists()} == before
    assert place.victim().ran == []


def test_the_attack_would_work_on_whoever_shares_the_secret(place: Place) -> None:
    place.run(cache=place.cache, builder="evil")
    shutil.rmtree(place.marker)
    # the first of the pickles is decoded; those after it find the marker there
    assert "pickle" not in place.run(cache=place.cache, builder="evil").ran
    assert place.marker.exists()


@pytest.fixture
def exporter(run_python: Callable, tmp_path: Path, default_cache: Path) -> Place:
    return Place(run_python, tmp_path, default_cache, "file")


@pytest.mark.parametrize("name", ATTACKS)
def test_nothing_forged_comes_in_from_a_file_and_all_of_it_is_set_aside(
    exporter: Place, tmp_path: Path, name: str
) -> None:
    ours = exporter.payloads_of(exporter.cache, exporter.victim())
    forged = ATTACKS[name](exporter, ours, tmp_path / "attack")
    assert forged
    into = tmp_path / "into"
    assert exporter.take_in(list(forged.values()), into) == {"refused": len(forged)}
    assert len(quarantined_payloads(into)) == len(forged)
    shown = exporter.run(cache=into)
    exporter.check_nothing_ran(shown, list(KINDS))
    assert (shown.categories, shown.said[2]) == ([], 0)
    # nor does it take the place of what is there, or hide what else the file has
    sound = [payload for kind, payload in ours.items() if kind not in forged]
    expected = {"refused": len(forged), "present": len(sound)}
    counts = exporter.take_in([*forged.values(), *sound], into)
    assert counts == {name: count for name, count in expected.items() if count}
    assert exporter.run(cache=into).ran == []


def test_what_somebody_else_sealed_does_not_come_in_from_a_file(
    exporter: Place, tmp_path: Path
) -> None:
    exporter.victim()
    shown = exporter.run(cache=tmp_path / "attack", builder="evil", key=THEIRS)
    shutil.rmtree(exporter.marker, ignore_errors=True)
    theirs = exporter.payloads_of(tmp_path / "attack", shown)
    into = tmp_path / "into"
    assert exporter.take_in(list(theirs.values()), into) == {"foreign": len(KINDS)}
    assert quarantined_payloads(into) == []
    exporter.check_nothing_ran(exporter.run(cache=into), list(KINDS))


def test_our_own_comes_in_from_a_file_and_is_decoded_by_nothing_but_a_hit(
    exporter: Place, tmp_path: Path
) -> None:
    ours = exporter.payloads_of(exporter.cache, exporter.victim())
    into = tmp_path / "into"
    assert exporter.take_in(list(ours.values()), into) == {"stored": len(KINDS)}
    exporter.check_nothing_ran(exporter.run(cache=into), [])
    # as it would be for whoever shares the secret with the attacker
    shown = exporter.run(cache=tmp_path / "attack", builder="evil")
    shutil.rmtree(exporter.marker)
    theirs = exporter.payloads_of(tmp_path / "attack", shown)
    shutil.copyfile(tmp_path / "attack/v1/ID", exporter.cache / "v1/ID")
    victim = tmp_path / "victim"
    assert exporter.take_in(list(theirs.values()), victim) == {"stored": len(KINDS)}
    exporter.run(cache=victim, builder="evil")
    assert exporter.marker.exists()
