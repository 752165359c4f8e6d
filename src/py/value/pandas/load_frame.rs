//! A payload back to a frame, block by block, with no copy.

use super::layout;
use super::load::{Value, instants, load_extras, load_zone, simple, with_extras};
use crate::py::error::{corrupt, or_else};
use crate::py::value::load::Loader;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

/// The columns of one block, and where they stand in the frame.
struct Block<'py> {
    values: Value<'py>,
    places: Vec<usize>,
}

pub fn load_frame<'py>(loader: &mut Loader<'_, 'py>) -> PyResult<Value<'py>> {
    let extras = load_extras(loader)?;
    let (columns, index) = (loader.value()?, loader.value()?);
    let blocks = (0..loader.count()?)
        .map(|_| load_block(loader))
        .collect::<PyResult<Vec<_>>>()?;
    let width = columns.len()?;
    if !is_covered(&blocks, width) {
        return Err(corrupt("blocks that do not cover the frame"));
    }
    check_lengths(&blocks, index.len()?)?;
    let py = loader.py;
    let frame = from_blocks_3(py, &blocks, &columns, &index);
    let frame = or_else(py, frame, || from_blocks_2(py, &blocks, &columns, &index));
    let frame = or_else(py, frame, || from_columns(py, &blocks, &columns, &index))?;
    with_extras(frame, extras)
}

/// Whether every column stands in one block, and only there.
fn is_covered(blocks: &[Block<'_>], width: usize) -> bool {
    // Looked at first: an index of numbers may say that it has any length.
    if blocks.iter().map(|block| block.places.len()).sum::<usize>() != width {
        return false;
    }
    let mut seen = vec![false; width];
    blocks.iter().flat_map(|block| &block.places).all(|&place| {
        seen.get_mut(place)
            .is_some_and(|seen| !std::mem::replace(seen, true))
    })
}

fn load_block<'py>(loader: &mut Loader<'_, 'py>) -> PyResult<Block<'py>> {
    let places = (0..loader.count()?)
        .map(|_| loader.length())
        .collect::<PyResult<_>>()?;
    let values = match loader.u8()? {
        layout::NUMPY => {
            let values = loader.value()?;
            as_pandas_keeps_it(&values)?
        }
        layout::ZONED => {
            let (zone, naive) = (load_zone(loader)?, loader.value()?);
            let dtype = naive.getattr("dtype")?;
            let unit: String = loader
                .py
                .import("numpy")?
                .call_method1("datetime_data", (dtype,))?
                .get_item(0)?
                .extract()?;
            instants(
                loader.py,
                &naive.call_method1("view", ("i8",))?,
                &unit,
                &zone,
            )?
        }
        layout::EXTENSION => loader.value()?,
        _ => return Err(corrupt("a block of an unknown layout")),
    };
    Ok(Block { values, places })
}

/// Blocks of instants and spans are extension arrays even where they have no zone.
fn as_pandas_keeps_it<'py>(values: &Value<'py>) -> PyResult<Value<'py>> {
    let dtype = values.getattr("dtype")?;
    let class = match dtype.getattr("kind")?.extract::<char>()? {
        'M' => "DatetimeArray",
        'm' => "TimedeltaArray",
        _ => return Ok(values.clone()),
    };
    simple(values.py(), class, values, &dtype)
}

fn check_lengths(blocks: &[Block<'_>], rows: usize) -> PyResult<()> {
    for block in blocks {
        let shape: Vec<usize> = block.values.getattr("shape")?.extract()?;
        let fits = match shape[..] {
            [columns, length] => columns == block.places.len() && length == rows,
            [length] => block.places.len() == 1 && length == rows,
            _ => false,
        };
        if !fits {
            return Err(corrupt("a block that does not fit its frame"));
        }
    }
    Ok(())
}

fn places<'py>(py: Python<'py>, block: &Block<'py>) -> PyResult<Value<'py>> {
    py.import("numpy")?
        .call_method1("array", (&block.places, "intp"))
}

/// pandas 3 has a function for this.
fn from_blocks_3<'py>(
    py: Python<'py>,
    blocks: &[Block<'py>],
    columns: &Value<'py>,
    index: &Value<'py>,
) -> PyResult<Value<'py>> {
    let make = py
        .import("pandas.api.internals")?
        .getattr("create_dataframe_from_blocks")?;
    let parts = PyList::empty(py);
    for block in blocks {
        parts.append((&block.values, places(py, block)?))?;
    }
    let options = PyDict::new(py);
    options.set_item("index", index)?;
    options.set_item("columns", columns)?;
    make.call((parts,), Some(&options))
}

/// pandas 2 has the parts of it.
fn from_blocks_2<'py>(
    py: Python<'py>,
    blocks: &[Block<'py>],
    columns: &Value<'py>,
    index: &Value<'py>,
) -> PyResult<Value<'py>> {
    let placement = py
        .import("pandas._libs.internals")?
        .getattr("BlockPlacement")?;
    let internals = py.import("pandas.core.internals.blocks")?;
    let made = PyList::empty(py);
    for block in blocks {
        let options = PyDict::new(py);
        options.set_item("placement", placement.call1((places(py, block)?,))?)?;
        options.set_item("ndim", 2)?;
        made.append(internals.call_method("new_block", (&block.values,), Some(&options))?)?;
    }
    let axes = PyList::new(py, [columns, index])?;
    let options = PyDict::new(py);
    options.set_item("verify_integrity", true)?;
    let managers = py.import("pandas.core.internals.managers")?;
    let manager = managers
        .getattr("BlockManager")?
        .call((PyTuple::new(py, made)?, &axes), Some(&options))?;
    py.import("pandas")?
        .getattr("DataFrame")?
        .call_method1("_from_mgr", (&manager, manager.getattr("axes")?))
}

/// The public way: column by column.
fn from_columns<'py>(
    py: Python<'py>,
    blocks: &[Block<'py>],
    columns: &Value<'py>,
    index: &Value<'py>,
) -> PyResult<Value<'py>> {
    let pandas = py.import("pandas")?;
    let mut parts = vec![None; columns.len()?];
    for block in blocks {
        let wide = block.values.getattr("ndim")?.extract::<usize>()? == 2;
        for (row, &place) in block.places.iter().enumerate() {
            let values = if wide {
                block.values.get_item(row)?
            } else {
                block.values.clone()
            };
            let options = PyDict::new(py);
            options.set_item("index", index)?;
            options.set_item("dtype", values.getattr("dtype")?)?;
            options.set_item("copy", false)?;
            parts[place] = Some(pandas.getattr("Series")?.call((values,), Some(&options))?);
        }
    }
    let by_place = PyDict::new(py);
    for (place, part) in parts.into_iter().enumerate() {
        by_place.set_item(place, part)?;
    }
    let options = PyDict::new(py);
    options.set_item("index", index)?;
    options.set_item("copy", false)?;
    let frame = pandas
        .getattr("DataFrame")?
        .call((by_place,), Some(&options))?;
    frame.setattr("columns", columns)?;
    Ok(frame)
}
