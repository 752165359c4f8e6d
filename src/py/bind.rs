//! Arguments to parameters, defaults filled in: `f(1, 2)`, `f(1, b=2)` and `f(b=2, a=1)` are one call.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

/// How a parameter takes its argument; numbered as in `inspect.Parameter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    PositionalOnly,
    Positional,
    VarPositional,
    KeywordOnly,
    VarKeyword,
}

/// How an argument takes part in the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// By its content.
    Content,
    /// Not at all.
    Ignored,
    /// By its content, save the order of dictionaries.
    Unordered,
    /// By the content of the file that it names.
    File,
}

impl Role {
    fn read(name: &str) -> Self {
        match name {
            "ignore" => Self::Ignored,
            "unordered" => Self::Unordered,
            "files" => Self::File,
            _ => Self::Content,
        }
    }
}

/// One parameter of a signature.
#[derive(Debug)]
pub struct Parameter {
    name: Py<PyString>,
    way: Way,
    default: Option<Py<PyAny>>,
    pub role: Role,
    /// What `explain` calls it.
    pub label: String,
}

/// The signature of a function.
#[derive(Debug)]
pub struct Signature {
    pub parameters: Vec<Parameter>,
    positional: usize,
}

/// A call's arguments, one for each parameter.
pub type Arguments<'py> = Vec<Bound<'py, PyAny>>;

impl Signature {
    /// Reads rows of (name, kind, default or `None`, has a default, role).
    pub fn read(rows: &Bound<'_, PyAny>) -> PyResult<Self> {
        let parameters = rows
            .try_iter()?
            .map(|row| Parameter::read(&row?))
            .collect::<PyResult<Vec<_>>>()?;
        let positional = parameters
            .iter()
            .take_while(|parameter| matches!(parameter.way, Way::PositionalOnly | Way::Positional))
            .count();
        Ok(Self {
            parameters,
            positional,
        })
    }

    /// Gives each parameter its argument; `None` for a call that does not fit the signature, which
    /// the function itself had better refuse.
    pub fn bind<'py>(
        &self,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Option<Arguments<'py>>> {
        if kwargs.is_none() && [self.positional, self.parameters.len()] == [args.len(); 2] {
            return Ok(Some(args.iter().collect()));
        }
        let py = args.py();
        let mut slots: Vec<Option<Bound<'py, PyAny>>> = Vec::with_capacity(self.parameters.len());
        slots.extend(args.iter().take(self.positional).map(Some));
        slots.resize(self.parameters.len(), None);
        match self.place(Way::VarPositional) {
            Some(place) => {
                slots[place] = Some(
                    args.get_slice(self.positional.min(args.len()), args.len())
                        .into_any(),
                );
            }
            None if args.len() > self.positional => return Ok(None),
            None => {}
        }
        let rest = self.place(Way::VarKeyword);
        if let Some(place) = rest {
            slots[place] = Some(PyDict::new(py).into_any());
        }
        for (name, value) in kwargs.into_iter().flatten() {
            match (self.named(&name)?, rest) {
                (Some(place), _) if slots[place].is_none() => slots[place] = Some(value),
                (None, Some(place)) => match &slots[place] {
                    Some(others) => others.set_item(name, value)?,
                    None => return Ok(None),
                },
                _ => return Ok(None),
            }
        }
        let filled = slots
            .into_iter()
            .zip(&self.parameters)
            .map(|(slot, parameter)| {
                slot.or_else(|| {
                    parameter
                        .default
                        .as_ref()
                        .map(|default| default.bind(py).clone())
                })
            });
        Ok(filled.collect())
    }

    fn place(&self, way: Way) -> Option<usize> {
        self.parameters
            .iter()
            .position(|parameter| parameter.way == way)
    }

    fn named(&self, name: &Bound<'_, PyAny>) -> PyResult<Option<usize>> {
        for (place, parameter) in self.parameters.iter().enumerate() {
            if matches!(parameter.way, Way::Positional | Way::KeywordOnly)
                && (parameter.name.is(name) || parameter.name.bind(name.py()).as_any().eq(name)?)
            {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }
}

impl Parameter {
    fn read(row: &Bound<'_, PyAny>) -> PyResult<Self> {
        let (name, way, default, has_default, role): (
            Bound<'_, PyString>,
            u8,
            Py<PyAny>,
            bool,
            String,
        ) = row.extract()?;
        let way = match way {
            0 => Way::PositionalOnly,
            1 => Way::Positional,
            2 => Way::VarPositional,
            3 => Way::KeywordOnly,
            _ => Way::VarKeyword,
        };
        let label = name.to_str()?.to_owned();
        Ok(Self {
            name: name.unbind(),
            way,
            default: has_default.then_some(default),
            role: Role::read(&role),
            label,
        })
    }
}
