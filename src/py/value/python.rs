//! Values of the language itself and of its standard library.

use super::library::Class;
use super::load::Loader;
use super::sink::{Container, Failure, Sink, Walk, not_handled};
use super::{tag, walk};
use crate::digest::{Digest, Encoder};
use crate::py::error::corrupt;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyComplex, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PyRange,
    PySet, PySlice, PyString, PyTuple, PyType,
};

/// Walks a value of a built-in type; false where it is of another.
pub fn walk_builtin<'py, S: Sink<'py>>(sink: &mut S, value: &Bound<'py, PyAny>) -> Walk<bool> {
    if let Ok(text) = value.cast_exact::<PyString>() {
        walk_text(sink, text)?;
    } else if let Ok(number) = value.cast_exact::<PyInt>() {
        walk_int(sink, number)?;
    } else if let Ok(number) = value.cast_exact::<PyFloat>() {
        sink.tag(tag::FLOAT);
        sink.f64(number.value());
    } else if value.is_none() {
        sink.tag(tag::NONE);
    } else if let Ok(flag) = value.cast_exact::<PyBool>() {
        sink.tag(if flag.is_true() {
            tag::TRUE
        } else {
            tag::FALSE
        });
    } else if let Ok(items) = value.cast_exact::<PyTuple>() {
        sink.container(value, Container::Tuple(items))?;
    } else if let Ok(items) = value.cast_exact::<PyList>() {
        sink.container(value, Container::List(items))?;
    } else if let Ok(items) = value.cast_exact::<PyDict>() {
        sink.container(value, Container::Dict(items))?;
    } else {
        return walk_rarer(sink, value);
    }
    Ok(true)
}

/// The digest of a number or text, the same as by a walk; most arguments are such, and need no sink.
pub fn digest_scalar(encoder: &mut Encoder, value: &Bound<'_, PyAny>) -> Option<Digest> {
    if let Ok(number) = value.cast_exact::<PyInt>() {
        let small = number.extract().ok()?;
        encoder.tag(tag::INT);
        encoder.i64(small);
    } else if let Ok(number) = value.cast_exact::<PyFloat>() {
        encoder.tag(tag::FLOAT);
        encoder.f64(number.value());
    } else if let Ok(text) = value.cast_exact::<PyString>() {
        let text = text.to_str().ok()?;
        encoder.tag(tag::STR);
        encoder.bytes(text.as_bytes());
    } else {
        return None;
    }
    Some(encoder.finish())
}

fn walk_rarer<'py, S: Sink<'py>>(sink: &mut S, value: &Bound<'py, PyAny>) -> Walk<bool> {
    let py = value.py();
    if let Ok(bytes) = value.cast_exact::<PyBytes>() {
        sink.tag(tag::BYTES);
        sink.bytes(bytes.as_bytes());
    } else if let Ok(bytes) = value.cast_exact::<PyByteArray>() {
        sink.tag(tag::BYTEARRAY);
        sink.bytes(&bytes.to_vec());
    } else if let Ok(number) = value.cast_exact::<PyComplex>() {
        sink.tag(tag::COMPLEX);
        sink.f64(number.real());
        sink.f64(number.imag());
    } else if value.is_exact_instance_of::<PySet>() {
        sink.container(value, Container::Set(tag::SET))?;
    } else if value.is_exact_instance_of::<PyFrozenSet>() {
        sink.container(value, Container::Set(tag::FROZENSET))?;
    } else if value.is_exact_instance_of::<PyRange>() || value.is_exact_instance_of::<PySlice>() {
        let tag = if value.is_exact_instance_of::<PyRange>() {
            tag::RANGE
        } else {
            tag::SLICE
        };
        sink.composite(value, |sink| {
            sink.tag(tag);
            ["start", "stop", "step"]
                .into_iter()
                .try_for_each(|part| walk(sink, &value.getattr(part)?))
        })?;
    } else if value.is(py.Ellipsis()) {
        sink.tag(tag::ELLIPSIS);
    } else {
        return Ok(false);
    }
    Ok(true)
}

fn walk_text<'py, S: Sink<'py>>(sink: &mut S, text: &Bound<'py, PyString>) -> Walk<()> {
    if let Ok(text) = text.to_str() {
        sink.tag(tag::STR);
        sink.text(text);
    } else {
        let encoded =
            text.call_method1(intern!(text.py(), "encode"), ("utf-8", "surrogatepass"))?;
        sink.tag(tag::STR_SURROGATES);
        sink.bytes(encoded.cast::<PyBytes>()?.as_bytes());
    }
    Ok(())
}

fn walk_int<'py, S: Sink<'py>>(sink: &mut S, number: &Bound<'py, PyInt>) -> Walk<()> {
    if let Ok(small) = number.extract::<i64>() {
        sink.tag(tag::INT);
        sink.i64(small);
    } else {
        let py = number.py();
        let bits: usize = number.call_method0(intern!(py, "bit_length"))?.extract()?;
        let signed = PyDict::new(py);
        signed.set_item("signed", true)?;
        let bytes = number.call_method(
            intern!(py, "to_bytes"),
            (bits / 8 + 1, "little"),
            Some(&signed),
        )?;
        sink.tag(tag::BIG_INT);
        sink.bytes(bytes.cast::<PyBytes>()?.as_bytes());
    }
    Ok(())
}

/// Walks a value of the standard library.
pub fn walk_standard<'py, S: Sink<'py>>(
    sink: &mut S,
    value: &Bound<'py, PyAny>,
    class: Class,
) -> Walk<()> {
    sink.composite(value, |sink| match class {
        Class::DateTime => {
            const FIELDS: [&str; 8] = [
                "year",
                "month",
                "day",
                "hour",
                "minute",
                "second",
                "microsecond",
                "fold",
            ];
            walk_fields(sink, value, tag::DATETIME, &FIELDS)?;
            walk(sink, &value.getattr("tzinfo")?)
        }
        Class::Date => walk_fields(sink, value, tag::DATE, &["year", "month", "day"]),
        Class::Time => {
            walk_fields(
                sink,
                value,
                tag::TIME,
                &["hour", "minute", "second", "microsecond", "fold"],
            )?;
            walk(sink, &value.getattr("tzinfo")?)
        }
        Class::TimeDelta => walk_fields(
            sink,
            value,
            tag::TIMEDELTA,
            &["days", "seconds", "microseconds"],
        ),
        Class::TimeZone => {
            sink.tag(tag::TIMEZONE);
            walk(sink, &value.call_method0("__getinitargs__")?)
        }
        Class::ZoneInfo => walk_zone(sink, value),
        Class::Pytz => {
            sink.tag(tag::PYTZ);
            walk_pytz(sink, value)
        }
        Class::Decimal => {
            sink.tag(tag::DECIMAL);
            let parts = value.call_method0("as_tuple")?;
            ["sign", "digits", "exponent"]
                .into_iter()
                .try_for_each(|part| walk(sink, &parts.getattr(part)?))
        }
        Class::Fraction => {
            sink.tag(tag::FRACTION);
            ["numerator", "denominator"]
                .into_iter()
                .try_for_each(|part| walk(sink, &value.getattr(part)?))
        }
        Class::Uuid => {
            sink.tag(tag::UUID);
            walk(sink, &value.getattr("bytes")?)
        }
        Class::Path => {
            sink.tag(tag::PATH);
            sink.text(&value.get_type().name()?.to_string());
            walk(sink, value.str()?.as_any())
        }
        _ => Err(not_handled(value)),
    })
}

fn walk_fields<'py, S: Sink<'py>>(
    sink: &mut S,
    value: &Bound<'py, PyAny>,
    tag: u8,
    fields: &[&str],
) -> Walk<()> {
    sink.tag(tag);
    for field in fields {
        sink.i64(value.getattr(*field)?.extract()?);
    }
    Ok(())
}

fn walk_zone<'py, S: Sink<'py>>(sink: &mut S, zone: &Bound<'py, PyAny>) -> Walk<()> {
    let key = zone.getattr("key")?;
    if key.is_none() {
        return Err(Failure::unhandled(
            "a time zone read from a file, with no name",
        ));
    }
    sink.tag(tag::ZONE_INFO);
    walk(sink, &key)
}

/// A pytz zone by what rebuilds it: its name and, for one period of it, the offsets.
fn walk_pytz<'py, S: Sink<'py>>(sink: &mut S, zone: &Bound<'py, PyAny>) -> Walk<()> {
    let (maker, arguments): (Bound<'_, PyAny>, Bound<'_, PyTuple>) =
        zone.call_method0("__reduce__")?.extract()?;
    sink.text(&maker.getattr("__name__")?.extract::<String>()?);
    walk(sink, arguments.as_any())
}

/// Loads what this file walks; `None` for another file's tag.
pub fn load<'py>(loader: &mut Loader<'_, 'py>, tag: u8) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = loader.py;
    Ok(Some(match tag {
        tag::NONE => py.None().into_bound(py),
        tag::FALSE => PyBool::new(py, false).to_owned().into_any(),
        tag::TRUE => PyBool::new(py, true).to_owned().into_any(),
        tag::INT => loader.i64()?.into_pyobject(py)?.into_any(),
        tag::BIG_INT => load_big_int(loader)?,
        tag::FLOAT => PyFloat::new(py, loader.f64()?).into_any(),
        tag::COMPLEX => PyComplex::from_doubles(py, loader.f64()?, loader.f64()?).into_any(),
        tag::STR => PyString::new(py, loader.text()?).into_any(),
        tag::STR_SURROGATES => {
            PyBytes::new(py, loader.bytes()?).call_method1("decode", ("utf-8", "surrogatepass"))?
        }
        tag::BYTES => PyBytes::new(py, loader.bytes()?).into_any(),
        tag::BYTEARRAY => PyByteArray::new(py, loader.bytes()?).into_any(),
        tag::ELLIPSIS => py.Ellipsis().into_bound(py),
        tag::TUPLE => PyTuple::new(py, load_items(loader)?)?.into_any(),
        tag::LIST => PyList::new(py, load_items(loader)?)?.into_any(),
        tag::SET => PySet::new(py, load_items(loader)?)?.into_any(),
        tag::FROZENSET => PyFrozenSet::new(py, load_items(loader)?)?.into_any(),
        tag::DICT => load_dict(loader)?.into_any(),
        tag::RANGE => py.get_type::<PyRange>().call1(load_three(loader)?)?,
        tag::SLICE => py.get_type::<PySlice>().call1(load_three(loader)?)?,
        tag::DATETIME..=tag::FRACTION => return load_standard(loader, tag).map(Some),
        _ => return Ok(None),
    }))
}

fn load_big_int<'py>(loader: &mut Loader<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
    let py = loader.py;
    let signed = PyDict::new(py);
    signed.set_item("signed", true)?;
    py.get_type::<PyInt>().call_method(
        "from_bytes",
        (PyBytes::new(py, loader.bytes()?), "little"),
        Some(&signed),
    )
}

fn load_items<'py>(loader: &mut Loader<'_, 'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
    (0..loader.count()?).map(|_| loader.value()).collect()
}

fn load_dict<'py>(loader: &mut Loader<'_, 'py>) -> PyResult<Bound<'py, PyDict>> {
    let items = PyDict::new(loader.py);
    for _ in 0..loader.count()? {
        let (key, value) = (loader.value()?, loader.value()?);
        items.set_item(key, value)?;
    }
    Ok(items)
}

type Three<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>, Bound<'py, PyAny>);

fn load_three<'py>(loader: &mut Loader<'_, 'py>) -> PyResult<Three<'py>> {
    Ok((loader.value()?, loader.value()?, loader.value()?))
}

fn load_standard<'py>(loader: &mut Loader<'_, 'py>, tag: u8) -> PyResult<Bound<'py, PyAny>> {
    match tag {
        tag::DATETIME => load_clock(loader, "datetime", 7),
        tag::TIME => load_clock(loader, "time", 4),
        tag::DATE => {
            let fields = (loader.i64()?, loader.i64()?, loader.i64()?);
            class(loader, "datetime", "date")?.call1(fields)
        }
        tag::TIMEDELTA => {
            let fields = (loader.i64()?, loader.i64()?, loader.i64()?);
            class(loader, "datetime", "timedelta")?.call1(fields)
        }
        tag::TIMEZONE => {
            let arguments = loader.value()?.cast_into::<PyTuple>()?;
            class(loader, "datetime", "timezone")?.call1(arguments)
        }
        tag::ZONE_INFO => {
            let key = loader.value()?;
            class(loader, "zoneinfo", "ZoneInfo")?.call1((key,))
        }
        tag::PYTZ => load_pytz(loader),
        tag::DECIMAL => {
            let parts = load_three(loader)?;
            class(loader, "decimal", "Decimal")?.call1((parts,))
        }
        tag::FRACTION => {
            // Text would be parsed, and may say of any number of digits that they are zeroes.
            let parts = (
                loader.value()?.cast_into::<PyInt>()?,
                loader.value()?.cast_into::<PyInt>()?,
            );
            class(loader, "fractions", "Fraction")?.call1(parts)
        }
        tag::UUID => {
            let bytes = PyDict::new(loader.py);
            bytes.set_item("bytes", loader.value()?)?;
            class(loader, "uuid", "UUID")?.call((), Some(&bytes))
        }
        tag::PATH => {
            let name @ ("PosixPath" | "WindowsPath" | "PurePosixPath" | "PureWindowsPath") =
                loader.text()?
            else {
                return Err(corrupt("a path of an unknown kind"));
            };
            let text = loader.value()?;
            class(loader, "pathlib", name)?.call1((text,))
        }
        _ => Err(corrupt("an unknown type tag")),
    }
}

/// A datetime or a time: so many numbers, the fold, the zone.
fn load_clock<'py>(
    loader: &mut Loader<'_, 'py>,
    name: &str,
    numbers: usize,
) -> PyResult<Bound<'py, PyAny>> {
    let fields = (0..numbers)
        .map(|_| loader.i64())
        .collect::<PyResult<Vec<_>>>()?;
    let options = PyDict::new(loader.py);
    options.set_item("fold", loader.i64()?)?;
    options.set_item("tzinfo", loader.value()?)?;
    class(loader, "datetime", name)?.call(PyTuple::new(loader.py, fields)?, Some(&options))
}

fn load_pytz<'py>(loader: &mut Loader<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
    let maker @ ("_UTC" | "_p" | "FixedOffset") = loader.text()? else {
        return Err(corrupt("a time zone of an unknown kind"));
    };
    let arguments = loader.value()?.cast_into::<PyTuple>()?;
    loader.py.import("pytz")?.getattr(maker)?.call1(arguments)
}

fn class<'py>(loader: &Loader<'_, 'py>, module: &str, name: &str) -> PyResult<Bound<'py, PyType>> {
    Ok(loader.py.import(module)?.getattr(name)?.cast_into()?)
}
