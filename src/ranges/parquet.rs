//! A look at a Parquet file before it is read: that it asks for no more memory than it can fill.
//!
//! Whoever reads one believes its counts, and ends the process where there is no memory for them.
//! Only what we write passes: pages as they are or in LZ4, columns that lie within the file.

use crate::error::{Error, Kind, Result};

const MAGIC: &[u8] = b"PAR1";
/// The footer's length and the magic behind it.
const TAIL: usize = 8;
/// LZ4 makes of a byte no more than this many.
const INFLATES: i64 = 256;
const SLACK: i64 = 1024;
/// Values in a group of a column of lists.
const MOST_NESTED: i64 = 1 << 27;
const MOST_ROWS: i64 = 1 << 31;
/// Bytes of a value of fixed length.
const WIDEST: i64 = 256;
const DEEPEST: usize = 32;
const PLAIN: i64 = 0;
const LZ4: i64 = 7;

/// Looks at a segment.
///
/// # Errors
/// `Corrupt` for what is no Parquet file, or says of itself what can't be.
pub fn check(file: &[u8]) -> Result<()> {
    let wrong = || Error::new(Kind::Corrupt, "a segment of bars is no sound Parquet file");
    looked_at(file).ok_or_else(wrong)
}

fn looked_at(file: &[u8]) -> Option<()> {
    let body = file.strip_suffix(MAGIC)?;
    let (body, length) = body.split_at_checked(body.len().checked_sub(TAIL - MAGIC.len())?)?;
    let length = usize::try_from(u32::from_le_bytes(length.try_into().ok()?)).ok()?;
    let (pages, footer) = body.split_at_checked(body.len().checked_sub(length)?)?;
    pages.starts_with(MAGIC).then_some(())?;
    let footer = Thrift::new(footer).fields()?;
    schema(footer.list(2)?)?;
    let mut rows = 0_i64;
    for group in footer.list(4)? {
        let group = group.fields()?;
        let own = group.number(3)?;
        (0..=MOST_ROWS).contains(&own).then_some(())?;
        rows = rows.checked_add(own)?;
        for column in group.list(1)? {
            let column = column.fields()?.child(3)?.fields()?;
            chunk(pages, &column, own)?;
        }
    }
    (footer.number(3)? == rows).then_some(())
}

/// Sees that columns are no deeper in each other, and values no wider, than anybody's are.
fn schema(elements: Vec<Thrift<'_>>) -> Option<()> {
    let mut open: Vec<i64> = vec![1];
    for element in elements {
        let element = element.fields()?;
        while open.last() == Some(&0) {
            open.pop();
        }
        *open.last_mut()? -= 1;
        let width = element.number(2).unwrap_or(0);
        let children = element.number(5).unwrap_or(0);
        ((0..=WIDEST).contains(&width) && children >= 0).then_some(())?;
        if children > 0 {
            open.push(children);
        }
        (open.len() <= DEEPEST).then_some(())?;
    }
    open.iter().all(|&left| left == 0).then_some(())
}

fn chunk(file: &[u8], column: &Fields<'_>, rows: i64) -> Option<()> {
    let values = column.number(5)?;
    let is_flat = column.list(3)?.len() == 1;
    let most = if is_flat { rows } else { MOST_NESTED };
    (0..=most).contains(&values).then_some(())?;
    let codec = column.number(4)?;
    let data = column.number(9)?;
    let first = column
        .number(11)
        .map_or(data, |dictionary| dictionary.min(data));
    let start = usize::try_from(first).ok()?;
    let stop = start.checked_add(usize::try_from(column.number(7)?).ok()?)?;
    let mut left = file.get(start..stop)?;
    let mut seen = 0_i64;
    while !left.is_empty() {
        let mut header = Thrift::new(left);
        let page = header.take_fields(0)?;
        let stored = page.number(3)?;
        let length = usize::try_from(stored).ok()?;
        left = header.rest().get(length..)?;
        inflates(codec, stored, page.number(2)?)?;
        seen = seen.checked_add(values_of(&page)?)?;
    }
    (seen == values).then_some(())
}

fn inflates(codec: i64, stored: i64, whole: i64) -> Option<()> {
    let most = match codec {
        PLAIN => stored,
        LZ4 => stored.checked_mul(INFLATES)?.checked_add(SLACK)?,
        _ => return None,
    };
    (0..=most).contains(&whole).then_some(())
}

/// How many values of its column a page has.
fn values_of(page: &Fields<'_>) -> Option<i64> {
    const DATA: i64 = 0;
    const DICTIONARY: i64 = 2;
    const DATA_2: i64 = 3;
    match page.number(1)? {
        DATA => counted(page.child(5)?.fields()?.number(1)?),
        DATA_2 => {
            let head = page.child(8)?.fields()?;
            let whole = page.number(2)?;
            for length in [head.number(5)?, head.number(6)?] {
                (0..=whole).contains(&length).then_some(())?;
            }
            for count in [head.number(2)?, head.number(3)?] {
                (0..=head.number(1)?).contains(&count).then_some(())?;
            }
            counted(head.number(1)?)
        }
        DICTIONARY => {
            let entries = page.child(7)?.fields()?.number(1)?;
            // An entry takes a byte at least.
            (0..=page.number(2)?).contains(&entries).then_some(0)
        }
        _ => None,
    }
}

fn counted(values: i64) -> Option<i64> {
    (values >= 0).then_some(values)
}

/// What a structure of Thrift's compact protocol holds, by number.
struct Fields<'a>(Vec<(i64, Value<'a>)>);

#[derive(Clone)]
enum Value<'a> {
    Number(i64),
    List(Vec<Thrift<'a>>),
    Child(Thrift<'a>),
    Other,
}

impl<'a> Fields<'a> {
    fn get(&self, number: i64) -> Option<&Value<'a>> {
        let mut found = self.0.iter().filter(|(own, _)| *own == number);
        let (_, value) = found.next()?;
        // Who reads it may believe the other one.
        found.next().is_none().then_some(value)
    }

    fn number(&self, number: i64) -> Option<i64> {
        match self.get(number)? {
            Value::Number(value) => Some(*value),
            _ => None,
        }
    }

    fn list(&self, number: i64) -> Option<Vec<Thrift<'a>>> {
        match self.get(number)? {
            Value::List(list) => Some(list.clone()),
            _ => None,
        }
    }

    fn child(&self, number: i64) -> Option<Thrift<'a>> {
        match self.get(number)? {
            Value::Child(child) => Some(child.clone()),
            _ => None,
        }
    }
}

/// Bytes in Thrift's compact protocol, read from the front.
#[derive(Clone)]
struct Thrift<'a>(&'a [u8]);

impl<'a> Thrift<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn rest(&self) -> &'a [u8] {
        self.0
    }

    fn fields(mut self) -> Option<Fields<'a>> {
        self.take_fields(0)
    }

    fn take_fields(&mut self, depth: usize) -> Option<Fields<'a>> {
        (depth <= DEEPEST).then_some(())?;
        let mut fields = Vec::new();
        let mut number = 0_i64;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Some(Fields(fields));
            }
            number = match head >> 4 {
                0 => self.zigzag()?,
                step => number.checked_add(step.into())?,
            };
            fields.push((number, self.value(head & 15, depth)?));
        }
    }

    fn value(&mut self, kind: u8, depth: usize) -> Option<Value<'a>> {
        Some(match kind {
            1 | 2 => Value::Other,
            3 => Value::Number(self.byte()?.into()),
            4..=6 => Value::Number(self.zigzag()?),
            7 => self.skip(8)?,
            8 => {
                let length = self.length()?;
                self.skip(length)?
            }
            9 | 10 => Value::List(self.list(depth)?),
            12 => {
                let child = self.clone();
                self.take_fields(depth + 1)?;
                Value::Child(child)
            }
            _ => return None,
        })
    }

    /// The elements; what is in those that are no structures is nobody's concern here.
    fn list(&mut self, depth: usize) -> Option<Vec<Thrift<'a>>> {
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => self.length()?,
            count => count.into(),
        };
        // Who reads it makes room for them at once.
        (count <= self.0.len()).then_some(())?;
        let mut elements = Vec::new();
        for _ in 0..count {
            elements.push(self.clone());
            match head & 15 {
                1 | 2 => drop(self.byte()?),
                kind => drop(self.value(kind, depth + 1)?),
            }
        }
        Some(elements)
    }

    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    fn skip(&mut self, length: usize) -> Option<Value<'a>> {
        self.0 = self.0.get(length..)?;
        Some(Value::Other)
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(self.varint()?).ok()
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn zigzag(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }
}
