//! What a call is: the function's code, its arguments, and the packages that made them.

use super::bind::{Arguments, Parameter, Role, Signature};
use super::code::Code;
use super::common::{Known, PyCommon};
use super::key::KeyDigests;
use super::packages::{installed, major};
use super::value::{Failure, Packages, Walk};
use crate::digest::{Digest, Encoder};
use crate::format::{KEY_VERSION, Part};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyString, PyTuple};
use std::cell::{Cell, OnceCell};
use std::collections::HashSet;
use std::sync::Arc;

/// Begins the label of a part that is told and no part of the key.
const INSTALLED: &str = "installed";
/// Longer texts of values are cut in descriptions.
const TEXT: usize = 60;

/// One state of a function's code, with its signature.
#[pyclass(frozen, module = "afml_cache._native")]
pub struct Identity {
    code: Code,
    pub signature: Signature,
    /// The package whose code counts wherever it is installed.
    own: Arc<str>,
    /// Format, name, code and version; what every key begins with.
    prefix: Digest,
}

/// The key of one call, with the digest of each of its parts.
#[derive(Debug)]
pub struct Keyed {
    pub key: Digest,
    arguments: Box<[Digest]>,
    mutables: Box<[Digest]>,
    packages: Box<[String]>,
    /// What was met in arguments and mutable values, if there was anything.
    met: Option<Box<Met>>,
}

/// What is found in the parts of a key.
#[derive(Debug)]
pub struct Met {
    /// The code behind them.
    pub codes: Box<[Arc<Code>]>,
    /// What may say when something was.
    pub timed: Box<[Py<PyAny>]>,
}

/// Which argument could not be keyed, and why.
pub struct Refused {
    pub label: String,
    pub failure: Failure,
}

impl Identity {
    /// Describes a function: `describe` is `afml_cache.identity.describe`.
    pub fn of(
        function: &Bound<'_, PyAny>,
        name: &str,
        version: &str,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<Self> {
        let py = function.py();
        let described = py.import("afml_cache.identity")?.call_method(
            "describe",
            (function,),
            Some(options),
        )?;
        let (code, rows, own): (Bound<'_, PyAny>, Bound<'_, PyAny>, String) =
            described.extract()?;
        let code = Code::read(&code)?;
        let mut encoder = Encoder::new();
        encoder.raw(&KEY_VERSION.to_le_bytes());
        encoder.bytes(b"entry");
        encoder.bytes(name.as_bytes());
        encoder.bytes(version.as_bytes());
        encoder.digest(code.digest);
        let signature = Signature::read(&rows)?;
        for parameter in &signature.parameters {
            encoder.bytes(parameter.label.as_bytes());
            encoder.tag(parameter.role as u8);
        }
        Ok(Self {
            signature,
            own: own.into(),
            prefix: encoder.finish(),
            code,
        })
    }

    /// Whether the code is still in this state.
    pub fn holds(&self, py: Python<'_>) -> PyResult<bool> {
        self.code.holds(py)
    }

    /// The key of a call.
    pub fn key(
        &self,
        py: Python<'_>,
        arguments: &Arguments<'_>,
        common: Option<&PyCommon>,
    ) -> PyResult<Result<Keyed, Refused>> {
        let mut encoder = Encoder::new();
        let mut made = KeyDigests::of(&self.own);
        let mut shared = Shared::default();
        let mut digests = Vec::with_capacity(arguments.len());
        for (parameter, value) in self.keyed(arguments) {
            let digest = match common.filter(|common| common.has(value)) {
                Some(common) => shared.part(py, common, &self.own, parameter.role, value),
                None => made.argument(&mut encoder, parameter.role, value),
            };
            match digest {
                Ok(digest) => digests.push(digest),
                Err(failure) => return Ok(Err(Refused::of(&parameter.label, failure))),
            }
        }
        let mut mutables = Vec::with_capacity(self.code.mutables.len());
        for mutable in &self.code.mutables {
            let value = mutable.value.bind(py);
            let digest = match common {
                Some(common) => shared.part(py, common, &self.own, Role::Content, value),
                None => made.sink().digest(value),
            };
            match digest {
                Ok(digest) => mutables.push(digest),
                Err(failure) => return Ok(Err(Refused::of(&mutable.label, failure))),
            }
        }
        let (packages, met) = shared.joined(made.packages(), made.met());
        let codes = met.as_ref().map_or(&[][..], |met| &met.codes);
        let packages = self.majors(py, packages, codes)?;
        encoder.digest(self.prefix);
        for digests in [&digests, &mutables] {
            encoder.u64(digests.len() as u64);
            digests.iter().for_each(|digest| encoder.digest(*digest));
        }
        packages
            .iter()
            .for_each(|package| encoder.bytes(package.as_bytes()));
        Ok(Ok(Keyed {
            key: encoder.finish(),
            arguments: digests.into(),
            mutables: mutables.into(),
            packages,
            met,
        }))
    }

    /// The arguments that are part of the key, with their parameters.
    pub fn keyed<'a, 'py>(
        &'a self,
        arguments: &'a Arguments<'py>,
    ) -> impl Iterator<Item = (&'a Parameter, &'a Bound<'py, PyAny>)> {
        let all = self.signature.parameters.iter().zip(arguments);
        all.filter(|(parameter, _)| parameter.role != Role::Ignored)
    }

    /// What of a call may say when something was: parts of the key, and what is left out of it.
    pub fn timed<'py>(
        &self,
        py: Python<'py>,
        keyed: &Keyed,
        arguments: &Arguments<'py>,
    ) -> Vec<Bound<'py, PyAny>> {
        let of_key = keyed.met.iter().flat_map(|met| &met.timed);
        let of_key = of_key.map(|value| value.bind(py).clone());
        let all = self.signature.parameters.iter().zip(arguments);
        let ignored = all.filter(|(parameter, _)| parameter.role == Role::Ignored);
        let ignored = ignored.map(|(_, value)| value.clone());
        of_key
            .chain(ignored.filter(|value| !is_scalar(value)))
            .collect()
    }

    fn majors(
        &self,
        py: Python<'_>,
        met: Packages,
        codes: &[Arc<Code>],
    ) -> PyResult<Box<[String]>> {
        let mut packages: Vec<&str> = met.names().collect();
        packages.extend(self.code.packages.iter().map(String::as_str));
        for code in codes {
            packages.extend(code.packages.iter().map(String::as_str));
        }
        if packages.is_empty() {
            return Ok(Box::default());
        }
        packages.sort_unstable();
        packages.dedup();
        packages
            .into_iter()
            .map(|package| major(py, package))
            .collect()
    }

    /// Which parts of two keys of this function differ, in words.
    pub fn difference(&self, before: &Keyed, after: &Keyed) -> String {
        let labels = self
            .signature
            .parameters
            .iter()
            .filter(|parameter| parameter.role != Role::Ignored);
        let labels = labels.map(|parameter| format!("its argument `{}`", parameter.label));
        let arguments = labels.zip(before.arguments.iter().zip(&after.arguments));
        let mutables = self
            .code
            .mutables
            .iter()
            .map(|mutable| mutable.label.clone());
        let mutables = mutables.zip(before.mutables.iter().zip(&after.mutables));
        let changed = arguments
            .chain(mutables)
            .filter(|(_, (before, after))| before != after);
        let changed: Vec<String> = changed.map(|(label, _)| label).collect();
        if changed.is_empty() {
            "code that it uses".into()
        } else {
            changed.join(" and ")
        }
    }

    /// The parts of a key, in words.
    pub fn parts(&self, py: Python<'_>, keyed: &Keyed, arguments: &Arguments<'_>) -> Vec<Part> {
        let mut parts = self.code.parts.clone();
        for ((parameter, value), digest) in self.keyed(arguments).zip(&keyed.arguments) {
            parts.push(Part {
                label: format!("argument `{}`", parameter.label),
                digest: *digest,
                text: short(value),
            });
        }
        for (mutable, digest) in self.code.mutables.iter().zip(&keyed.mutables) {
            parts.push(Part {
                label: mutable.label.clone(),
                digest: *digest,
                text: String::new(),
            });
        }
        parts.extend(keyed.met.iter().flat_map(|met| behind(&met.codes)));
        for package in &keyed.packages {
            let (name, version) = package.split_once('=').unwrap_or((package, ""));
            let digest = Digest::of(version.as_bytes());
            parts.push(Part {
                label: format!("major version of `{name}`"),
                digest,
                text: version.to_owned(),
            });
            if let Some(text) = installed(py, name) {
                parts.push(Part {
                    label: format!("{INSTALLED} {name}"),
                    digest: Digest::of(text.as_bytes()),
                    text,
                });
            }
        }
        parts
    }
}

/// What was met in parts that calls share.
#[derive(Default)]
struct Shared {
    packages: Packages,
    codes: Vec<Arc<Code>>,
    timed: Vec<Py<PyAny>>,
}

impl Shared {
    /// The digest of such a part, whose finds are taken in.
    fn part(
        &mut self,
        py: Python<'_>,
        common: &PyCommon,
        own: &Arc<str>,
        role: Role,
        value: &Bound<'_, PyAny>,
    ) -> Walk<Digest> {
        common.with_part(own, role, value, |known: &Known| {
            self.packages.add(known.packages);
            self.codes.extend(known.codes.iter().cloned());
            let timed = known.timed.iter().map(|value| value.clone_ref(py));
            self.timed.extend(timed);
            known.digest
        })
    }

    /// All that was met, in shared parts and in others.
    fn joined(mut self, others: Packages, met: Option<Box<Met>>) -> (Packages, Option<Box<Met>>) {
        self.packages.add(others);
        if self.codes.is_empty() && self.timed.is_empty() {
            return (self.packages, met);
        }
        if let Some(met) = met {
            self.codes.extend(met.codes);
            self.timed.extend(met.timed);
        }
        let met = Met {
            codes: self.codes.into(),
            timed: self.timed.into(),
        };
        (self.packages, Some(Box::new(met)))
    }
}

impl Refused {
    fn of(label: &str, failure: Failure) -> Self {
        Self {
            label: label.to_owned(),
            failure,
        }
    }
}

/// The parts of code behind values, each once.
fn behind(codes: &[Arc<Code>]) -> Vec<Part> {
    let mut seen = HashSet::new();
    let parts = codes.iter().flat_map(|code| &code.parts);
    parts
        .filter(|part| seen.insert(part.digest))
        .cloned()
        .collect()
}

/// A scalar as text, for `explain`; nothing for values that have parts.
fn short(value: &Bound<'_, PyAny>) -> String {
    if !is_scalar(value) {
        return String::new();
    }
    value.repr().map_or_else(
        |_| String::new(),
        |text| text.to_string().chars().take(TEXT).collect(),
    )
}

fn is_scalar(value: &Bound<'_, PyAny>) -> bool {
    value.is_none()
        || value.is_exact_instance_of::<PyBool>()
        || value.is_exact_instance_of::<PyInt>()
        || value.is_exact_instance_of::<PyFloat>()
        || value.is_exact_instance_of::<PyString>()
}

/// The call's arguments as they were given, and what its observer is told of it.
pub struct Call<'a, 'py> {
    pub args: &'a Bound<'py, PyTuple>,
    pub kwargs: Option<&'a Bound<'py, PyDict>>,
    /// What it shares with other calls.
    pub common: Option<&'a PyCommon>,
    /// The key, once it is known.
    pub key: Cell<Option<Digest>>,
    /// What the observer gave when the body began to run.
    pub begun: OnceCell<Py<PyAny>>,
}

impl<'a, 'py> Call<'a, 'py> {
    pub fn new(args: &'a Bound<'py, PyTuple>, kwargs: Option<&'a Bound<'py, PyDict>>) -> Self {
        Self {
            args,
            kwargs,
            common: None,
            key: Cell::new(None),
            begun: OnceCell::new(),
        }
    }

    /// The same, of several that share something.
    pub fn sharing(self, common: Option<&'a PyCommon>) -> Self {
        Self { common, ..self }
    }
}
