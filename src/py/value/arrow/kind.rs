//! How the slots of an Arrow type lie in memory.

use crate::py::value::sink::{Failure, Walk};

/// A layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Null,
    Bits,
    /// Items of so many bytes.
    Fixed(usize),
    /// Text or bytes behind offsets of so many bytes.
    Text(usize),
    TextView,
    /// Lists behind offsets of so many bytes; maps are lists of pairs.
    List(usize),
    /// Lists behind offsets and lengths of so many bytes.
    ListView(usize),
    /// Lists of so many items each.
    FixedList(usize),
    Struct,
    DenseUnion,
    SparseUnion,
    Runs,
}

impl Kind {
    /// The layout of a type, as the C data interface writes it.
    pub fn of(format: &str) -> Walk<Self> {
        Ok(match format {
            "n" => Self::Null,
            "b" => Self::Bits,
            "c" | "C" => Self::Fixed(1),
            "s" | "S" | "e" => Self::Fixed(2),
            "i" | "I" | "f" | "tdD" | "tts" | "ttm" | "tiM" => Self::Fixed(4),
            "l" | "L" | "g" | "tdm" | "ttu" | "ttn" | "tiD" | "tDs" | "tDm" | "tDu" | "tDn" => {
                Self::Fixed(8)
            }
            "tin" => Self::Fixed(16),
            "z" | "u" => Self::Text(4),
            "Z" | "U" => Self::Text(8),
            "vz" | "vu" => Self::TextView,
            "+l" | "+m" => Self::List(4),
            "+L" => Self::List(8),
            "+vl" => Self::ListView(4),
            "+vL" => Self::ListView(8),
            "+s" => Self::Struct,
            "+r" => Self::Runs,
            _ => return Self::with_parameter(format).ok_or_else(|| unknown(format)),
        })
    }

    fn with_parameter(format: &str) -> Option<Self> {
        let (name, parameter) = format.split_once(':')?;
        Some(match name {
            "tss" | "tsm" | "tsu" | "tsn" => Self::Fixed(8),
            "w" => Self::Fixed(parameter.parse().ok()?),
            "+w" => Self::FixedList(parameter.parse().ok()?),
            "+ud" => Self::DenseUnion,
            "+us" => Self::SparseUnion,
            "d" => match parameter.split(',').nth(2) {
                None => Self::Fixed(16),
                Some(bits @ ("32" | "64" | "128" | "256")) => {
                    Self::Fixed(bits.parse::<usize>().ok()? / 8)
                }
                Some(_) => return None,
            },
            _ => return None,
        })
    }

    /// Whether the first buffer says which slots are null.
    pub fn has_validity(self) -> bool {
        !matches!(
            self,
            Self::Null | Self::DenseUnion | Self::SparseUnion | Self::Runs
        )
    }
}

/// An Arrow type that is not known here.
pub fn unknown(format: &str) -> Failure {
    Failure::unhandled(format!("an Arrow array of a type written `{format}`"))
}
