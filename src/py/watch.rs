//! The check at every call: is all that the function's code reached still the same?
//!
//! Everything compared is held by a strong reference, so an address means one object for as long as
//! the watch lives. What can change in place is not compared but digested again.

use super::body::has_parts;
use super::code::is_function;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

/// A name in a namespace, and what it was bound to.
#[derive(Debug)]
struct Name {
    namespace: Py<PyDict>,
    key: Py<PyString>,
    bound: Option<Py<PyAny>>,
}

/// A function, and the parts of it that can be swapped.
#[derive(Debug)]
struct Body {
    function: Py<PyAny>,
    parts: [Py<PyAny>; 3],
    cells: Vec<(Py<PyAny>, Option<Py<PyAny>>)>,
}

/// A class, and what stood in its dictionary.
#[derive(Debug)]
struct Class {
    dictionary: Py<PyAny>,
    members: Vec<(Py<PyString>, Py<PyAny>)>,
}

/// A class, and the tuple of its bases, which is another one once they were assigned.
#[derive(Debug)]
struct Bases {
    class: Py<PyAny>,
    bases: Py<PyAny>,
}

/// Everything that one function's code reached.
#[derive(Debug)]
pub struct Watch {
    names: Vec<Name>,
    bodies: Vec<Body>,
    classes: Vec<Class>,
    bases: Vec<Bases>,
}

impl Watch {
    /// Reads an `afml_cache.code.Code`; `missing` stands for what was not bound.
    pub fn read(code: &Bound<'_, PyAny>, missing: &Bound<'_, PyAny>) -> PyResult<Self> {
        let rows = |field: &str| -> PyResult<Vec<Bound<'_, PyAny>>> {
            code.getattr(field)?.try_iter()?.collect()
        };
        Ok(Self {
            names: rows("names")?
                .iter()
                .map(|row| Name::read(row, missing))
                .collect::<PyResult<_>>()?,
            bodies: rows("functions")?
                .iter()
                .map(|row| Body::read(row, missing))
                .collect::<PyResult<_>>()?,
            classes: rows("classes")?
                .iter()
                .map(Class::read)
                .collect::<PyResult<_>>()?,
            bases: rows("bases")?
                .iter()
                .map(Bases::read)
                .collect::<PyResult<_>>()?,
        })
    }

    /// Whether nothing was rebound, swapped or patched.
    pub fn holds(&self, py: Python<'_>) -> PyResult<bool> {
        for name in &self.names {
            if !name.holds(py)? {
                return Ok(false);
            }
        }
        for body in &self.bodies {
            if !body.holds(py)? {
                return Ok(false);
            }
        }
        for class in &self.classes {
            if !class.holds(py)? {
                return Ok(false);
            }
        }
        for bases in &self.bases {
            if !bases.holds(py)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn bound(value: Bound<'_, PyAny>, missing: &Bound<'_, PyAny>) -> Option<Py<PyAny>> {
    (!value.is(missing)).then(|| value.unbind())
}

fn same(now: Option<&Bound<'_, PyAny>>, then: Option<&Py<PyAny>>) -> bool {
    match (now, then) {
        (Some(now), Some(then)) => now.is(then),
        (now, then) => now.is_none() && then.is_none(),
    }
}

impl Name {
    fn read(row: &Bound<'_, PyAny>, missing: &Bound<'_, PyAny>) -> PyResult<Self> {
        let (namespace, key, value): (Py<PyDict>, Py<PyString>, Bound<'_, PyAny>) =
            row.extract()?;
        Ok(Self {
            namespace,
            key,
            bound: bound(value, missing),
        })
    }

    fn holds(&self, py: Python<'_>) -> PyResult<bool> {
        let now = self.namespace.bind(py).get_item(self.key.bind(py))?;
        Ok(same(now.as_ref(), self.bound.as_ref()))
    }
}

impl Body {
    fn read(row: &Bound<'_, PyAny>, missing: &Bound<'_, PyAny>) -> PyResult<Self> {
        type Row<'py> = (
            Py<PyAny>,
            Py<PyAny>,
            Py<PyAny>,
            Py<PyAny>,
            Vec<(Py<PyAny>, Bound<'py, PyAny>)>,
        );
        let (function, code, defaults, keywords, cells): Row<'_> = row.extract()?;
        let cells = cells
            .into_iter()
            .map(|(cell, content)| (cell, bound(content, missing)))
            .collect();
        if !is_function(function.bind(missing.py())) {
            return Err(PyTypeError::new_err("only functions have bodies to watch"));
        }
        Ok(Self {
            function,
            parts: [code, defaults, keywords],
            cells,
        })
    }

    fn holds(&self, py: Python<'_>) -> PyResult<bool> {
        if !has_parts(self.function.bind(py), &self.parts)? {
            return Ok(false);
        }
        for (cell, then) in &self.cells {
            let now = match cell.bind(py).getattr(intern!(py, "cell_contents")) {
                Err(error) if error.is_instance_of::<PyValueError>(py) => None,
                now => Some(now?),
            };
            if !same(now.as_ref(), then.as_ref()) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Class {
    fn read(row: &Bound<'_, PyAny>) -> PyResult<Self> {
        let (class, members): (Bound<'_, PyAny>, Vec<(Py<PyString>, Py<PyAny>)>) = row.extract()?;
        Ok(Self {
            dictionary: class.getattr("__dict__")?.unbind(),
            members,
        })
    }

    fn holds(&self, py: Python<'_>) -> PyResult<bool> {
        let dictionary = self.dictionary.bind(py);
        if dictionary.len()? != self.members.len() {
            return Ok(false);
        }
        for (name, then) in &self.members {
            if !dictionary
                .get_item(name.bind(py))
                .is_ok_and(|now| now.is(then))
            {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Bases {
    fn read(row: &Bound<'_, PyAny>) -> PyResult<Self> {
        let (class, bases) = row.extract()?;
        Ok(Self { class, bases })
    }

    fn holds(&self, py: Python<'_>) -> PyResult<bool> {
        let now = self.class.bind(py).getattr(intern!(py, "__bases__"))?;
        Ok(now.is(&self.bases))
    }
}
