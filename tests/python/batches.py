"""Batches of a list, cut as a test says."""

from hashlib import sha256
from itertools import accumulate

from afml_cache.sweeping.batch_files import Batch, Recorded, name_of, write_batch
from afml_cache.sweeping.batch_merging import merge_batches


def batch_of(first, count, of="list"):
    ids = tuple(f"{of}-{at}" for at in range(first, first + count))
    return Batch(sha256(" ".join(ids).encode()).hexdigest(), first, ids)


def record_of(batch, written):
    return Recorded(batch.id, written.digest, written.rows, written.size)


def write_all(folder, results, sizes, of="list"):
    """Write results as batches of these sizes; give their files and records."""
    files, records = [], []
    for number, stop in enumerate(accumulate(sizes)):
        first = stop - sizes[number]
        batch, path = batch_of(first, sizes[number], of), folder / name_of(number)
        records.append(record_of(batch, write_batch(path, batch, results[first:stop])))
        files.append((path, batch))
    return files, records


def sizes_of(count, size):
    whole, rest = divmod(count, size)
    return [size] * whole + [rest] * bool(rest)


def merged(folder, results, sizes):
    """Give the bytes of a merged file."""
    files, records = write_all(folder, results, sizes)
    return merge_batches(files, folder / "merged.parquet", records).path.read_bytes()
