"""NumPy's `npz`: arrays by name; the same arrays give the same bytes."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from typing import Any, BinaryIO, Final

from afml_cache.artifacts.formats.frames import imported
from afml_cache.artifacts.formats.model import Written, refusal

# The name that NumPy gives the first array without one.
_ALONE: Final = "arr_0"
_SUFFIX: Final = ".npy"
_EARLIEST: Final = (1980, 1, 1, 0, 0, 0)


class Arrays:
    """One array, or several by their names; none of objects."""

    def write(self, value: Any, file: BinaryIO) -> Written:
        """Write an array, or a mapping of names to arrays."""
        several = isinstance(value, Mapping)
        named = dict(value) if several else {_ALONE: value}
        for name, array in named.items():
            _check(name, array, f"value[{name!r}]" if several else "value")
        write_array = imported("numpy.lib.format").write_array
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, array in named.items():
                member = zipfile.ZipInfo(name + _SUFFIX, _EARLIEST)
                with archive.open(member, "w", force_zip64=True) as target:
                    write_array(target, array, allow_pickle=False)
        kind = "arrays" if several else "array"
        return Written({"kind": kind}, columns=list(named) if several else None)

    def read(self, file: BinaryIO, reads_as: Mapping[str, Any]) -> Any:
        """Read an array, or a dictionary of arrays."""
        read_array = imported("numpy.lib.format").read_array
        found = {}
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                with archive.open(member) as source:
                    name = member.filename.removesuffix(_SUFFIX)
                    found[name] = read_array(source, allow_pickle=False)
                    source.read()  # to the end, where its check stands
        alone = reads_as.get("kind", "array" if list(found) == [_ALONE] else "arrays") == "array"
        return found[_ALONE] if alone else found

    def check(self, file: BinaryIO) -> None:
        """Read the end of the file, which lists the arrays."""
        with zipfile.ZipFile(file):
            pass


def _check(name: Any, array: Any, place: str) -> None:
    numpy = imported("numpy")
    if type(name) is not str or not name or "\0" in name:
        raise refusal(place, f"the name {name!r}, which is no text", "name each array by a `str`")
    if type(array) not in {numpy.ndarray, numpy.memmap}:
        what = f"a `{type(array).__qualname__}`, which is no plain array,"
        raise refusal(place, what, "write `numpy.asarray(...)` of it")
    if array.dtype.hasobject:
        remedy = "give the array a dtype of numbers, times or texts"
        raise refusal(place, "an array of objects, which takes a pickle,", remedy)
