//! Categories and enumerations of polars in a payload: codes as they lie in memory, and names.
//!
//! The numbers of categories are those of a process, which has them in the order in which it met
//! them; those that are stored are of one column alone.

use super::load::{load_rows, odd};
use super::load_chunk::{Layout, load_chunk};
use super::{chunk::walk_chunk, odd as unhandled};
use crate::py::error::corrupt;
use crate::py::value::load::Loader;
use crate::py::value::sink::{Sink, Walk};
use polars::prelude::{CategoricalMapping, CategoricalPhysical, CompatLevel, DataType, Series};
use polars_arrow::array::{Array, PrimitiveArray, Utf8ViewArray};
use polars_arrow::types::NativeType;
use polars_utils::aliases::PlSeedableRandomStateQuality;
use pyo3::prelude::*;
use std::sync::Arc;

/// Walks a column of codes: the names where its dtype does not have them, then the codes.
pub fn walk_codes<'py, S: Sink<'py>>(sink: &mut S, py: Python<'py>, series: &Series) -> Walk<()> {
    let codes = series.to_physical_repr().rechunk();
    let chunk = codes.chunks()[0].clone();
    sink.u64(chunk.len() as u64);
    let DataType::Categorical(_, mapping) = series.dtype() else {
        return walk_chunk(sink, py, &*chunk);
    };
    let physical = series.dtype().cat_physical().map_err(unhandled)?;
    let (used, chunk) = match physical {
        CategoricalPhysical::U8 => numbered::<u8>(&*chunk, mapping)?,
        CategoricalPhysical::U16 => numbered::<u16>(&*chunk, mapping)?,
        CategoricalPhysical::U32 => numbered::<u32>(&*chunk, mapping)?,
    };
    let names = used.iter().map(|&code| mapping.cat_to_str(code));
    let names = names
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| unhandled("a category without a name"))?;
    sink.u64(names.len() as u64);
    walk_chunk(sink, py, &Utf8ViewArray::from_slice_values(names))?;
    walk_chunk(sink, py, &*chunk)
}

/// The categories that a column has, in the order of their numbers, and the column with numbers that
/// count these alone.
fn numbered<T>(chunk: &dyn Array, mapping: &CategoricalMapping) -> Walk<(Vec<u32>, Box<dyn Array>)>
where
    T: NativeType + Into<u32> + TryFrom<u32>,
{
    let codes = chunk
        .as_any()
        .downcast_ref::<PrimitiveArray<T>>()
        .ok_or_else(|| unhandled("codes of another kind than they say"))?;
    let mut places = vec![None; mapping.num_cats_upper_bound()];
    for code in codes.iter().flatten() {
        *place_of(&mut places, *code)? = Some(T::default());
    }
    let mut used = Vec::new();
    for (code, place) in (0_u32..).zip(&mut places) {
        if place.is_some() {
            *place = u32::try_from(used.len())
                .ok()
                .and_then(|place| T::try_from(place).ok());
            used.push(code);
        }
    }
    let renumbered = codes.iter().map(|code| match code {
        Some(code) => Ok(place_of(&mut places, *code)?.unwrap_or_default()),
        None => Ok(T::default()),
    });
    let renumbered = renumbered.collect::<Walk<Vec<T>>>()?;
    let renumbered = PrimitiveArray::from_vec(renumbered).with_validity(codes.validity().cloned());
    Ok((used, Box::new(renumbered)))
}

fn place_of<T: Into<u32>>(places: &mut [Option<T>], code: T) -> Walk<&mut Option<T>> {
    let code: u32 = code.into();
    places
        .get_mut(code as usize)
        .ok_or_else(|| unhandled("a category without a name"))
}

/// Loads what `walk_codes` walks.
pub fn load_codes(loader: &mut Loader<'_, '_>, name: &str, dtype: &DataType) -> PyResult<Series> {
    let rows = load_rows(loader)?;
    let dtype = match dtype {
        DataType::Categorical(categories, _) => {
            let names = load_names(loader, categories.physical())?;
            DataType::Categorical(categories.clone(), Arc::new(names))
        }
        dtype => dtype.clone(),
    };
    let physical = dtype.to_physical().to_arrow(CompatLevel::newest());
    let chunk = load_chunk(loader, &physical, rows, Layout::InMemory)?;
    if !loader.sound {
        check_codes(&*chunk, &dtype)?;
    }
    // SAFETY: the chunk was made for the physical type of this dtype, and each code has a name.
    Ok(unsafe { Series::from_chunks_and_dtype_unchecked(name.into(), vec![chunk], &dtype) })
}

/// Names, numbered as they come. The numbers of this process are none of theirs: whoever takes the
/// column over goes by the names.
fn load_names(
    loader: &mut Loader<'_, '_>,
    physical: CategoricalPhysical,
) -> PyResult<CategoricalMapping> {
    let count = loader.length()?;
    let dtype = DataType::String.to_arrow(CompatLevel::newest());
    let names = load_chunk(loader, &dtype, count, Layout::InMemory)?;
    let names = names
        .as_any()
        .downcast_ref::<Utf8ViewArray>()
        .filter(|names| names.validity().is_none())
        .ok_or_else(|| corrupt("categories without names"))?;
    let hasher = PlSeedableRandomStateQuality::default();
    let mapping = CategoricalMapping::with_hasher(physical.max_categories(), hasher);
    for (number, name) in (0_u32..).zip(names.values_iter()) {
        if mapping.insert_cat(name).map_err(odd)? != number {
            return Err(corrupt("two categories of one name"));
        }
    }
    Ok(mapping)
}

fn check_codes(chunk: &dyn Array, dtype: &DataType) -> PyResult<()> {
    let (DataType::Categorical(_, mapping) | DataType::Enum(_, mapping)) = dtype else {
        return Err(corrupt("codes of something that has none"));
    };
    let names = mapping.num_cats_upper_bound();
    let is_named = match dtype.cat_physical().map_err(odd)? {
        CategoricalPhysical::U8 => are_below::<u8>(chunk, names),
        CategoricalPhysical::U16 => are_below::<u16>(chunk, names),
        CategoricalPhysical::U32 => are_below::<u32>(chunk, names),
    };
    if is_named {
        Ok(())
    } else {
        Err(corrupt("codes of categories that are not there"))
    }
}

fn are_below<T: NativeType + Into<u32>>(chunk: &dyn Array, names: usize) -> bool {
    let codes = chunk.as_any().downcast_ref::<PrimitiveArray<T>>();
    codes.is_some_and(|codes| {
        let mut shown = codes.iter().flatten();
        shown.all(|&code| (Into::<u32>::into(code) as usize) < names)
    })
}
