//! pandas frames, series and indexes.
//!
//! A frame is walked through its blocks, which pandas keeps to itself; `blocks` is the one place
//! that looks at them, and falls back to the public way where they are not as expected.

mod arrays;
mod load;
mod load_frame;
mod masked;

pub use load::load;

use crate::digest::Strided;
use crate::py::error::or_else;
use crate::py::value::digest::DigestSink;
use crate::py::value::library::{Class, Pandas, class_of};
use crate::py::value::numpy::{data, is_plain, walk_array, walk_memory, walk_plain_dtype};
use crate::py::value::sink::{Failure, Sink, Walk};
use crate::py::value::{tag, walk};
use arrays::{walk_extension, walk_frequency, walk_zone};
use numpy::{PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyList;

/// Walks any value of pandas.
pub fn walk_pandas<'py, S: Sink<'py>>(
    sink: &mut S,
    value: &Bound<'py, PyAny>,
    class: Pandas,
) -> Walk<()> {
    match class {
        Pandas::Frame => walk_frame(sink, value),
        Pandas::Series => walk_series(sink, value),
        Pandas::RangeIndex => walk_range_index(sink, value),
        Pandas::MultiIndex => walk_multi_index(sink, value),
        Pandas::Index => walk_index(sink, value, tag::INDEX),
        Pandas::DatetimeIndex => walk_ticking_index(sink, value, tag::DATETIME_INDEX),
        Pandas::TimedeltaIndex => walk_ticking_index(sink, value, tag::TIMEDELTA_INDEX),
        Pandas::PeriodIndex => walk_index(sink, value, tag::PERIOD_INDEX),
        Pandas::IntervalIndex => walk_index(sink, value, tag::INTERVAL_INDEX),
        Pandas::CategoricalIndex => walk_index(sink, value, tag::CATEGORICAL_INDEX),
        _ => walk_extension(sink, value, class),
    }
}

fn walk_frame<'py, S: Sink<'py>>(sink: &mut S, frame: &Bound<'py, PyAny>) -> Walk<()> {
    let py = frame.py();
    sink.tag(tag::FRAME);
    walk_extras(sink, frame)?;
    walk(sink, &frame.getattr(intern!(py, "columns"))?)
        .map_err(|failure| failure.within(|| ".columns".into()))?;
    walk(sink, &frame.getattr(intern!(py, "index"))?)
        .map_err(|failure| failure.within(|| ".index".into()))?;
    sink.cells(frame)
}

fn walk_series<'py, S: Sink<'py>>(sink: &mut S, series: &Bound<'py, PyAny>) -> Walk<()> {
    let py = series.py();
    sink.tag(tag::SERIES);
    walk_extras(sink, series)?;
    walk(sink, &series.getattr(intern!(py, "name"))?)
        .map_err(|failure| failure.within(|| ".name".into()))?;
    walk(sink, &series.getattr(intern!(py, "index"))?)
        .map_err(|failure| failure.within(|| ".index".into()))?;
    walk(sink, &values_of::<S>(series)?)
}

/// What hangs on a frame or series beside its data.
fn walk_extras<'py, S: Sink<'py>>(sink: &mut S, value: &Bound<'py, PyAny>) -> Walk<()> {
    let py = value.py();
    let flags = value.getattr(intern!(py, "flags"))?;
    sink.flag(
        flags
            .getattr(intern!(py, "allows_duplicate_labels"))?
            .extract()?,
    );
    let attrs = value.getattr(intern!(py, "attrs"))?;
    sink.flag(!attrs.is_empty()?);
    if attrs.is_empty()? {
        return Ok(());
    }
    walk(sink, &attrs).map_err(|failure| failure.within(|| ".attrs".into()))
}

/// The array behind a series or an index: NumPy's where that is all it is. A payload takes the very
/// one, since what is public is a view that pandas 3 makes read-only.
fn values_of<'py, S: Sink<'py>>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    if S::CANONICAL {
        return public_values(value);
    }
    let own = value.getattr(intern!(value.py(), "_values"));
    or_else(value.py(), own, || public_values(value))
}

fn public_values<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let array = value.getattr(intern!(value.py(), "array"))?;
    match class_of(&array) {
        Some(Class::Pandas(Pandas::NumpyArray)) => {
            array.call_method0(intern!(value.py(), "to_numpy"))
        }
        _ => Ok(array),
    }
}

fn walk_index<'py, S: Sink<'py>>(sink: &mut S, index: &Bound<'py, PyAny>, tag: u8) -> Walk<()> {
    sink.tag(tag);
    walk(sink, &index.getattr(intern!(index.py(), "name"))?)?;
    walk_memory(sink, &values_of::<S>(index)?)
}

/// An index of instants or spans: its frequency is its own in some versions, its array's in others.
fn walk_ticking_index<'py, S: Sink<'py>>(
    sink: &mut S,
    index: &Bound<'py, PyAny>,
    tag: u8,
) -> Walk<()> {
    let py = index.py();
    sink.tag(tag);
    walk(sink, &index.getattr(intern!(py, "name"))?)?;
    walk_frequency(sink, &index.getattr(intern!(py, "freq"))?)?;
    sink.text(&index.getattr(intern!(py, "unit"))?.extract::<String>()?);
    walk_zone(
        sink,
        &index
            .getattr_opt(intern!(py, "tz"))?
            .unwrap_or_else(|| py.None().into_bound(py)),
    )?;
    walk_memory(sink, &index.getattr(intern!(py, "asi8"))?)
}

fn walk_range_index<'py, S: Sink<'py>>(sink: &mut S, index: &Bound<'py, PyAny>) -> Walk<()> {
    let py = index.py();
    sink.tag(tag::RANGE_INDEX);
    walk(sink, &index.getattr(intern!(py, "name"))?)?;
    for part in [
        intern!(py, "start"),
        intern!(py, "stop"),
        intern!(py, "step"),
    ] {
        walk(sink, &index.getattr(part)?)?;
    }
    Ok(())
}

fn walk_multi_index<'py, S: Sink<'py>>(sink: &mut S, index: &Bound<'py, PyAny>) -> Walk<()> {
    let index = &if S::CANONICAL {
        index.call_method0("remove_unused_levels")?
    } else {
        index.clone()
    };
    sink.tag(tag::MULTI_INDEX);
    for part in ["names", "levels", "codes"] {
        let parts = PyList::empty(index.py());
        for item in index.getattr(part)?.try_iter()? {
            parts.append(item?)?;
        }
        if part == "codes" && !S::CANONICAL {
            walk_memories(sink, &parts)?;
        } else {
            walk(sink, parts.as_any())?;
        }
    }
    Ok(())
}

/// A list of arrays that are read-only because of what holds them.
fn walk_memories<'py, S: Sink<'py>>(sink: &mut S, arrays: &Bound<'py, PyList>) -> Walk<()> {
    sink.composite(arrays.as_any(), |sink| {
        sink.tag(tag::LIST);
        sink.u64(arrays.len() as u64);
        arrays
            .iter()
            .try_for_each(|array| walk_memory(sink, &array))
    })
}

/// One block of a frame: columns of one dtype side by side, and where they stand in the frame.
struct Block<'py> {
    values: Bound<'py, PyAny>,
    places: Vec<usize>,
}

fn blocks<'py>(frame: &Bound<'py, PyAny>) -> PyResult<Vec<Block<'py>>> {
    or_else(frame.py(), private_blocks(frame), || public_columns(frame))
}

fn private_blocks<'py>(frame: &Bound<'py, PyAny>) -> PyResult<Vec<Block<'py>>> {
    let py = frame.py();
    let mut blocks = Vec::new();
    let mut columns = 0;
    for block in frame
        .getattr(intern!(py, "_mgr"))?
        .getattr(intern!(py, "blocks"))?
        .try_iter()?
    {
        let block = block?;
        let places = block
            .getattr(intern!(py, "mgr_locs"))?
            .getattr(intern!(py, "as_array"))?;
        let places: Vec<usize> = places.call_method0(intern!(py, "tolist"))?.extract()?;
        columns += places.len();
        blocks.push(Block {
            values: block.getattr(intern!(py, "values"))?,
            places,
        });
    }
    let width: usize = frame
        .getattr(intern!(py, "shape"))?
        .get_item(1)?
        .extract()?;
    let whole = columns == width
        && blocks
            .iter()
            .flat_map(|block| &block.places)
            .all(|&place| place < width);
    if whole {
        Ok(blocks)
    } else {
        Err(crate::py::error::corrupt(
            "blocks that do not cover the frame",
        ))
    }
}

fn public_columns<'py>(frame: &Bound<'py, PyAny>) -> PyResult<Vec<Block<'py>>> {
    let width: usize = frame.getattr("shape")?.get_item(1)?.extract()?;
    let columns = frame.getattr("iloc")?;
    let column = |place| {
        let all = pyo3::types::PySlice::full(frame.py());
        public_values(&columns.get_item((all, place))?)
    };
    (0..width)
        .map(|place| {
            Ok(Block {
                values: column(place)?,
                places: vec![place],
            })
        })
        .collect()
}

/// A column on its way to a digest: plain memory, hashed with the others, or a value of its own.
enum Column<'py> {
    Plain {
        array: Bound<'py, PyUntypedArray>,
        zone: Option<Bound<'py, PyAny>>,
        row: usize,
    },
    Value(Bound<'py, PyAny>),
}

/// Digests the columns of a frame in their order, whatever blocks they lie in.
pub fn digest_columns<'py>(sink: &mut DigestSink<'py>, frame: &Bound<'py, PyAny>) -> Walk<()> {
    let py = frame.py();
    let mut columns: Vec<(usize, Column<'py>)> = Vec::new();
    for block in blocks(frame)? {
        split(&block, &mut columns)?;
    }
    columns.sort_unstable_by_key(|(place, _)| *place);
    let views: Vec<Strided> = columns
        .iter()
        .filter_map(|(_, column)| column.view())
        .collect();
    let mut digests = sink.views(py, &views).into_iter().zip(&views);
    sink.u64(columns.len() as u64);
    for (place, column) in &columns {
        let walked = match column {
            Column::Value(value) => walk(sink, value),
            Column::Plain { array, zone, .. } => {
                let walked = walk_plain_dtype(sink, &array.dtype()).and_then(|()| match zone {
                    Some(zone) => walk_zone(sink, zone),
                    None => Ok(sink.tag(tag::NONE)),
                });
                if let Some((digest, view)) = digests.next() {
                    sink.buffer(*view, digest);
                }
                walked
            }
        };
        walked.map_err(|failure| failure.within(|| column_name(frame, *place)))?;
    }
    Ok(())
}

fn column_name(frame: &Bound<'_, PyAny>, place: usize) -> String {
    let label = frame
        .getattr("columns")
        .and_then(|columns| columns.get_item(place))
        .and_then(|label| label.repr());
    label.map_or_else(
        |_| format!(".iloc[:, {place}]"),
        |label| format!("[{label}]"),
    )
}

impl Column<'_> {
    fn view(&self) -> Option<Strided> {
        let Self::Plain { array, row, .. } = self else {
            return None;
        };
        let (row_stride, item_stride, count) = match (array.strides(), array.shape()) {
            ([rows, items], [_, count]) => (*rows, *items, *count),
            ([items], [count]) => (0, *items, *count),
            _ => return None,
        };
        // SAFETY: the row lies within the array, and the column holds the array.
        Some(unsafe {
            let first = data(array).offset(row_stride * row.cast_signed());
            Strided::new(first, array.dtype().itemsize(), count, item_stride)
        })
    }
}

fn split<'py>(block: &Block<'py>, columns: &mut Vec<(usize, Column<'py>)>) -> Walk<()> {
    let (array, zone) = memory_of(&block.values)?;
    let plain = array.as_ref().filter(|array| is_plain(&array.dtype()));
    for (row, &place) in block.places.iter().enumerate() {
        let column = match (plain, &array) {
            (Some(array), _) => Column::Plain {
                array: array.clone(),
                zone: zone.clone(),
                row,
            },
            (None, Some(array)) if array.ndim() == 2 => Column::Value(array.get_item(row)?),
            _ if block.places.len() == 1 => Column::Value(block.values.clone()),
            _ => return Err(Failure::unhandled("a frame block of an unknown layout")),
        };
        columns.push((place, column));
    }
    Ok(())
}

/// The NumPy array that a block lies in, and its time zone; `None` for other extension arrays.
fn memory_of<'py>(
    values: &Bound<'py, PyAny>,
) -> PyResult<(
    Option<Bound<'py, PyUntypedArray>>,
    Option<Bound<'py, PyAny>>,
)> {
    let py = values.py();
    match class_of(values) {
        Some(Class::NumpyArray) => Ok((Some(values.clone().cast_into()?), None)),
        Some(Class::Pandas(class @ (Pandas::DatetimeArray | Pandas::TimedeltaArray))) => {
            let array = values.getattr(intern!(py, "_ndarray"))?.cast_into()?;
            let zone = match class {
                Pandas::DatetimeArray => {
                    Some(values.getattr(intern!(py, "tz"))?).filter(|zone| !zone.is_none())
                }
                _ => None,
            };
            Ok((Some(array), zone))
        }
        _ => Ok((None, None)),
    }
}

/// How the values of a stored block are read back.
pub mod layout {
    pub const NUMPY: u8 = 0;
    pub const ZONED: u8 = 1;
    pub const EXTENSION: u8 = 2;
}

/// Stores a frame block by block, as it lies in memory.
pub fn store_blocks<'py, S: Sink<'py>>(sink: &mut S, frame: &Bound<'py, PyAny>) -> Walk<()> {
    let blocks = blocks(frame)?;
    sink.u64(blocks.len() as u64);
    for block in &blocks {
        sink.u64(block.places.len() as u64);
        block
            .places
            .iter()
            .for_each(|&place| sink.u64(place as u64));
        match memory_of(&block.values)? {
            (Some(array), None) => {
                sink.tag(layout::NUMPY);
                sink.composite(array.as_any(), |sink| {
                    sink.manners(array.as_any())?;
                    walk_array(sink, array.as_any())
                })?;
            }
            (Some(array), Some(zone)) => {
                sink.tag(layout::ZONED);
                walk(sink, &zone)?;
                sink.composite(array.as_any(), |sink| {
                    sink.manners(array.as_any())?;
                    walk_array(sink, array.as_any())
                })?;
            }
            (None, _) => {
                sink.tag(layout::EXTENSION);
                walk(sink, &block.values)?;
            }
        }
    }
    Ok(())
}
