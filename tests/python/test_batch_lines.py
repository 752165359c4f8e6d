"""The lines of a run over batches, as its users know them."""

import io

import pytest

from afml_cache.sweeping import batch_lines as lines
from afml_cache.sweeping import wording

SEEN = [
    *lines.counting_lines(4620, 24, 200),
    lines.force_line(),
    *lines.found_lines(range(1, 23), 24),
    *lines.starting_lines(4600, 4620),
    lines.batch_line(23, 24, 4400, 4600, seconds=45.2, ram_percent=3.1),
    lines.batch_line(1, 24, 0, 200),
    lines.failed_line(2, 24, 200, 400, failed=3, reason="ValueError: no bars"),
    *lines.summary_lines(50, 24, 24, 22, 2),
    lines.loaded_line("Patterns", "patterns.json"),
    lines.skipped_line(1, "Labeling not needed!"),
    lines.cleaned_line("Labels", 56 * 10**9),
]


def test_a_run_that_skips_reads_as_ever():
    told = [
        *lines.found_lines([*range(1, 23)], 24),
        lines.batch_line(23, 24, 4400, 4600, seconds=45.2, ram_percent=3.1, width=9),
        lines.batch_line(24, 24, 4600, 4620, seconds=4.6, ram_percent=2.94, width=9),
        lines.batch_line(1, 24, 0, 200, seconds=42.1, ram_percent=2.8, width=9),
        *lines.summary_lines(49.8, 24, 24, 22, 2),
    ]
    assert told == [
        "✅ Found 22 cached batch results!",
        "   Skipping batches: 1-22",
        "   Processing remaining: 2 batches",
        "Batch 23/24: 4400-4600  ✅ 45.2s | 200 strategies | RAM: 3.1%",
        "Batch 24/24: 4600-4620  ✅  4.6s |  20 strategies | RAM: 2.9%",
        "Batch 1/24: 0-200      ✅ 42.1s | 200 strategies | RAM: 2.8%",
        "✅ BATCH PROCESSING COMPLETE",
        "   Total time: 0m 50s",
        "   Successful batches: 24/24",
        "   Cached batches: 22",
        "   Processed batches: 2",
    ]


@pytest.mark.parametrize(
    ("cached", "total", "told"),
    [
        ([], 3, []),
        (
            [2],
            3,
            [
                "✅ Found 1 cached batch result!",
                "   Skipping batch: 2",
                "   Processing remaining: 2 batches",
            ],
        ),
        (
            [9, 1, 2, 3, 5, 8, 7],
            10,
            [
                "✅ Found 7 cached batch results!",
                "   Skipping batches: 1-3, 5, 7-9",
                "   Processing remaining: 3 batches",
            ],
        ),
        (
            [1, 2],
            3,
            [
                "✅ Found 2 cached batch results!",
                "   Skipping batches: 1-2",
                "   Processing remaining: 1 batch",
            ],
        ),
    ],
    ids=["none", "one", "ranges", "all but one"],
)
def test_skipped_batches_are_told_in_ranges(cached, total, told):
    assert lines.found_lines(cached, total) == told


def test_one_of_a_thing_is_no_plural():
    assert lines.batch_line(1, 1, 0, 1, seconds=0.04).endswith("0.0s |   1 strategy")
    assert lines.starting_lines(7, 8, "configuration", "Labeling") == [
        "📦 Batch subset: 1 configuration (7 to 8)",
        "🚀 Labeling 1 configuration...",
    ]
    assert lines.batch_line(1, 1, 0, 2, seconds=1, items=0, noun="config").endswith("  0 configs")
    words = ["strategy", "day", "batch", "index", "pass", "universe"]
    assert [wording.plural(word) for word in words] == [
        *("strategies", "days", "batches", "indexes", "passes", "universes")
    ]


def test_failures_are_told_in_one_line():
    line = lines.failed_line(2, 24, 200, 400, failed=3, reason="ValueError: no\n  bars", width=9)
    assert line == "Batch 2/24: 200-400    ❌ 3 of 200 failed: ValueError: no bars"
    assert lines.failed_line(1, 1, 0, 5, failed=5, reason="").endswith("❌ 5 of 5 failed")
    summary = lines.summary_lines(3725, 23, 24, 0, 23)
    assert summary[0] == "❌ BATCH PROCESSING INCOMPLETE"
    assert summary[1:4] == [
        "   Total time: 1h 2m 5s",
        "   Successful batches: 23/24",
        "   Failed batches: 1",
    ]


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_949, "999.9 kB"), (999_951, "1.0 MB")],
)
def test_sizes_are_told_in_a_unit_that_suits_them(size, text):
    assert wording.size_text(size) == text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "gb18030"])
def test_a_stream_that_can_write_symbols_has_them(encoding):
    assert [lines.shown(line, encoding) for line in SEEN] == SEEN


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "cp437", None, "nonsense"])
def test_a_stream_that_can_not_has_lines_without_them(encoding):
    told = [lines.shown(line, encoding) for line in SEEN]
    assert all(line.isascii() for line in told)
    assert told[1] == "   Total strategies: 4,620"
    assert told[-4] == "   Processed batches: 2"
    assert told[-3:] == [
        "Patterns cached! -> Loading patterns.json",
        "STEP 1: SKIPPED -> Labeling not needed!",
        "   Labels cleaned for next dataset (56.0 GB freed)",
    ]
    stream = io.TextIOWrapper(io.BytesIO(), "ascii")
    for line in told:
        print(line, file=stream, flush=True)


def test_other_letters_are_escaped_where_they_can_not_be_written():
    line = lines.failed_line(1, 1, 0, 1, failed=1, reason="ValueError: größer € 名")
    assert lines.shown(line, "latin-1").endswith("größer \\u20ac \\u540d")
    assert lines.shown("half \ud800", "utf-8") == "half \\ud800"
