//! Bits side by side, from the first bit of the first byte on.

use std::ops::Range;

/// Bits, the last byte filled with zeroes.
#[derive(Debug, Default)]
pub struct Bits {
    bytes: Vec<u8>,
    length: usize,
}

impl Bits {
    /// So many ones.
    #[must_use]
    pub fn ones(count: usize) -> Self {
        let mut bits = Self::default();
        bits.extend_set(count);
        bits
    }

    /// The bits `start..start + count` of `source`.
    pub fn extend(&mut self, source: &[u8], start: usize, count: usize) {
        let mut done = 0;
        while done < count {
            let into = self.length % 8;
            if into == 0 && (start + done).is_multiple_of(8) && count - done >= 8 {
                let whole = (count - done) / 8;
                let from = (start + done) / 8;
                self.bytes.extend_from_slice(&source[from..from + whole]);
                self.length += whole * 8;
                done += whole * 8;
                continue;
            }
            let many = (8 - into).min(count - done);
            let bits = window(source, start + done) & mask(many);
            self.push(bits, many);
            done += many;
        }
    }

    /// So many ones.
    pub fn extend_set(&mut self, count: usize) {
        let mut left = count;
        while left > 0 {
            if self.length.is_multiple_of(8) && left >= 8 {
                self.bytes.resize(self.bytes.len() + left / 8, u8::MAX);
                self.length += left / 8 * 8;
                left %= 8;
                continue;
            }
            let many = (8 - self.length % 8).min(left);
            self.push(mask(many), many);
            left -= many;
        }
    }

    /// Up to eight bits that fit the last byte.
    fn push(&mut self, bits: u8, many: usize) {
        let into = self.length % 8;
        if into == 0 {
            self.bytes.push(bits);
        } else if let Some(last) = self.bytes.last_mut() {
            *last |= bits << into;
        }
        self.length += many;
    }

    /// One of the bits.
    #[must_use]
    pub fn get(&self, place: usize) -> bool {
        self.bytes[place / 8] >> (place % 8) & 1 == 1
    }

    /// The eight bits from `place` on; zeroes behind the last one.
    #[must_use]
    pub fn eight(&self, place: usize) -> u8 {
        window(&self.bytes, place)
    }

    /// Whether there is no zero.
    #[must_use]
    pub fn all_set(&self) -> bool {
        let (whole, rest) = self.bytes.split_at(self.length / 8);
        whole.iter().all(|byte| *byte == u8::MAX)
            && rest.iter().all(|byte| *byte == mask(self.length % 8))
    }

    /// The places of the zeroes within `range`.
    pub fn unset(&self, range: Range<usize>) -> impl Iterator<Item = usize> {
        let bytes = range.start / 8..range.end.div_ceil(8);
        bytes
            .filter(|&byte| self.bytes[byte] != u8::MAX)
            .flat_map(|byte| byte * 8..byte * 8 + 8)
            .filter(move |place| range.contains(place))
            .filter(|&place| !self.get(place))
    }

    /// Keeps what is set in the others too.
    pub fn intersect(&mut self, others: &Self) {
        for (byte, other) in self.bytes.iter_mut().zip(&others.bytes) {
            *byte &= other;
        }
    }

    /// Clears one bit.
    pub fn clear(&mut self, place: usize) {
        self.bytes[place / 8] &= !(1 << (place % 8));
    }

    /// The bytes that hold them.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The bytes that hold them.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

fn mask(many: usize) -> u8 {
    u8::MAX >> (8 - many)
}

/// The eight bits from `place` on; zeroes behind the end.
fn window(source: &[u8], place: usize) -> u8 {
    let low = u16::from(source.get(place / 8).copied().unwrap_or_default());
    let high = u16::from(source.get(place / 8 + 1).copied().unwrap_or_default());
    ((high << 8 | low) >> (place % 8)).to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use super::Bits;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn equal_a_list_of_flags(parts in prop::collection::vec((any::<[u8; 9]>(), 0..72_usize, 0..72_usize), 0..6)) {
            let (mut bits, mut naive) = (Bits::default(), Vec::new());
            for (source, start, count) in &parts {
                let count = (*count).min(72 - start);
                bits.extend(source, *start, count);
                naive.extend((*start..start + count).map(|place| source[place / 8] >> (place % 8) & 1 == 1));
                bits.extend_set(start % 11);
                naive.extend(std::iter::repeat_n(true, start % 11));
            }
            let read: Vec<bool> = (0..naive.len()).map(|place| bits.get(place)).collect();
            prop_assert_eq!(&read, &naive);
            let zeroes: Vec<usize> = (0..naive.len()).filter(|&place| !naive[place]).collect();
            prop_assert_eq!(bits.unset(0..naive.len()).collect::<Vec<_>>(), zeroes);
            prop_assert_eq!(bits.all_set(), naive.iter().all(|&flag| flag));
        }
    }
}
