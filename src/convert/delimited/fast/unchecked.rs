//! The converter's only unsafe code: vector instructions, and views into text known to be UTF-8.
//!
//! Everything it offers is safe to call with any arguments. Vector instructions run only behind a
//! [`Scanner`] that has asked the processor for them, and have a portable twin that a property test
//! holds them to. Views are made only of a [`Text`], whose bytes were checked, at its characters'
//! boundaries.

#![allow(unsafe_code, reason = "the one audited place of the converter; see each SAFETY comment")]

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, StringViewArray};
use arrow_buffer::{Buffer, NullBufferBuilder, ScalarBuffer};

/// Bytes looked at in one step.
pub const LANE_BYTES: usize = 64;
/// Zeros behind a text, so that a lane or a word may be read at its last byte.
pub const PADDING_BYTES: usize = LANE_BYTES;

/// The bytes that divide a text.
#[derive(Debug, Clone, Copy)]
pub struct Divider {
    /// Between fields.
    pub delimiter: u8,
    /// Around fields.
    pub quote: u8,
}

/// Where a lane has which byte: bit n stands for byte n.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marks {
    /// Delimiters.
    pub delimiters: u64,
    /// Quotes.
    pub quotes: u64,
    /// Line feeds.
    pub line_feeds: u64,
}

/// Finds bytes, 64 at a time.
pub trait Lanes: Copy {
    /// Marks the bytes that divide a text.
    fn marks(self, lane: &[u8; LANE_BYTES], divider: Divider) -> Marks;
    /// Marks one byte.
    fn positions(self, lane: &[u8; LANE_BYTES], byte: u8) -> u64;
    /// Sets each bit to the parity of the bits at and below it: from an opening quote to before its
    /// closing one.
    fn parity(self, bits: u64) -> u64;
}

/// Work that is compiled once for each kind of [`Lanes`]; `run` should be `#[inline(always)]`.
pub trait Work {
    /// What it comes to.
    type Output;
    /// Does it.
    fn run<L: Lanes>(self, lanes: L) -> Self::Output;
}

/// What the processor offers.
#[derive(Debug, Clone, Copy)]
pub enum Scanner {
    /// Any processor.
    Portable,
    /// AVX2 with carry-less multiplication.
    #[cfg(target_arch = "x86_64")]
    Avx2(x86::Avx2),
}

impl Scanner {
    /// The best there is.
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(avx2) = x86::Avx2::detect() {
            return Self::Avx2(avx2);
        }
        Self::Portable
    }

    /// Does work with it.
    pub fn run<W: Work>(self, work: W) -> W::Output {
        match self {
            Self::Portable => work.run(Portable),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(avx2) => avx2.work(work),
        }
    }
}

/// The portable twin.
#[derive(Debug, Clone, Copy)]
pub struct Portable;

impl Lanes for Portable {
    #[inline(always)]
    fn marks(self, lane: &[u8; LANE_BYTES], divider: Divider) -> Marks {
        Marks {
            delimiters: self.positions(lane, divider.delimiter),
            quotes: self.positions(lane, divider.quote),
            line_feeds: self.positions(lane, b'\n'),
        }
    }

    #[inline(always)]
    fn positions(self, lane: &[u8; LANE_BYTES], byte: u8) -> u64 {
        lane.iter().rev().fold(0, |bits, found| bits << 1 | u64::from(*found == byte))
    }

    #[inline(always)]
    fn parity(self, bits: u64) -> u64 {
        (0..6).fold(bits, |bits, step| bits ^ bits << (1 << step))
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256i, _mm_clmulepi64_si128, _mm_cvtsi64_si128, _mm_cvtsi128_si64, _mm_set1_epi8,
        _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_set1_epi8,
    };

    use super::{Divider, LANE_BYTES, Lanes, Marks, Work};

    /// A processor that has AVX2, PCLMULQDQ, BMI1, BMI2, LZCNT and POPCNT. Made only by `detect`.
    #[derive(Debug, Clone, Copy)]
    pub struct Avx2(());

    impl Avx2 {
        /// Asks the processor.
        pub fn detect() -> Option<Self> {
            let has_all = is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("pclmulqdq")
                && is_x86_feature_detected!("bmi1")
                && is_x86_feature_detected!("bmi2")
                && is_x86_feature_detected!("lzcnt")
                && is_x86_feature_detected!("popcnt");
            has_all.then_some(Self(()))
        }

        /// Does work, compiled for this processor.
        pub fn work<W: Work>(self, work: W) -> W::Output {
            // SAFETY: `self` exists, so the processor has the features.
            unsafe { compiled(work, self) }
        }
    }

    #[target_feature(enable = "avx2,pclmulqdq,bmi1,bmi2,lzcnt,popcnt")]
    fn compiled<W: Work>(work: W, lanes: Avx2) -> W::Output {
        work.run(lanes)
    }

    impl Lanes for Avx2 {
        #[inline(always)]
        fn marks(self, lane: &[u8; LANE_BYTES], divider: Divider) -> Marks {
            // SAFETY: `self` exists, so the processor has the features.
            unsafe {
                Marks {
                    delimiters: equal(lane, divider.delimiter),
                    quotes: equal(lane, divider.quote),
                    line_feeds: equal(lane, b'\n'),
                }
            }
        }

        #[inline(always)]
        fn positions(self, lane: &[u8; LANE_BYTES], byte: u8) -> u64 {
            // SAFETY: `self` exists, so the processor has the features.
            unsafe { equal(lane, byte) }
        }

        #[inline(always)]
        fn parity(self, bits: u64) -> u64 {
            // SAFETY: `self` exists, so the processor has the features.
            unsafe { parity(bits) }
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn equal(lane: &[u8; LANE_BYTES], byte: u8) -> u64 {
        let wanted = _mm256_set1_epi8(byte.cast_signed());
        let (low, high) = lane.split_at(LANE_BYTES / 2);
        let half = |half: &[u8]| {
            // SAFETY: both halves are 32 bytes long, and the load needs no alignment.
            let bytes = unsafe { _mm256_loadu_si256(half.as_ptr().cast::<__m256i>()) };
            u64::from(_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, wanted)).cast_unsigned())
        };
        half(low) | half(high) << 32
    }

    #[inline]
    #[target_feature(enable = "pclmulqdq,sse2")]
    fn parity(bits: u64) -> u64 {
        let ones = _mm_set1_epi8(-1);
        let product = _mm_clmulepi64_si128::<0>(_mm_cvtsi64_si128(bits.cast_signed()), ones);
        _mm_cvtsi128_si64(product).cast_unsigned()
    }
}

/// Bytes that are UTF-8 up to a length, with padding behind.
#[derive(Debug)]
pub struct Text {
    bytes: Buffer,
    length: usize,
}

impl Text {
    /// Checks the first `length` bytes; at least [`PADDING_BYTES`] must follow them.
    ///
    /// # Errors
    /// The bytes again, when they are not UTF-8, too few, or more than a view can reach.
    pub fn new(bytes: Vec<u8>, length: usize) -> Result<Self, Vec<u8>> {
        let is_padded = bytes.len() >= length.saturating_add(PADDING_BYTES);
        let is_reached = u32::try_from(length).is_ok();
        match bytes.get(..length).map(simdutf8::basic::from_utf8) {
            Some(Ok(_)) if is_padded && is_reached => {
                Ok(Self { bytes: Buffer::from_vec(bytes), length })
            }
            Some(_) | None => Err(bytes),
        }
    }

    /// All bytes, padding included.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        // SAFETY: `new` has checked these bytes, and a `Buffer` that is shared cannot change.
        unsafe { std::str::from_utf8_unchecked(self.bytes.get_unchecked(..self.length)) }
    }

    /// The bytes for another use, unless views of them are left.
    pub fn into_bytes(self) -> Option<Vec<u8>> {
        self.bytes.into_vec().ok()
    }
}

/// Longer texts are not kept in the view itself (Arrow columnar format, "Variable-size Binary View
/// Layout").
const INLINE_BYTES: usize = 12;
/// Which of an array's buffers a view's text is in.
const OF_TEXT: u32 = 0;
const OF_OWN: u32 = 1;

/// Gathers values of a text column that lie in a [`Text`].
pub struct Views<'t> {
    text: &'t Text,
    views: Vec<u128>,
    nulls: NullBufferBuilder,
    /// Values that are not in the text as they stand.
    own: String,
}

impl<'t> Views<'t> {
    /// None so far.
    pub fn new(text: &'t Text, capacity: usize) -> Self {
        Self {
            text,
            views: Vec::with_capacity(capacity),
            nulls: NullBufferBuilder::new(capacity),
            own: String::new(),
        }
    }

    /// Adds a passage of the text; an empty text when it is none.
    #[inline]
    pub fn push(&mut self, passage: Range<usize>) {
        let start = passage.start;
        let value = self.text.as_str().get(passage).unwrap_or_default();
        self.nulls.append_non_null();
        // The padding allows the whole word to be read wherever the value begins.
        let word = self.text.bytes().get(start..).and_then(<[u8]>::first_chunk::<16>);
        self.views.push(match word {
            Some(word) if value.len() <= INLINE_BYTES => {
                let kept = u128::from_le_bytes(*word) & ((1 << (8 * value.len())) - 1);
                value.len() as u128 | kept << 32
            }
            Some(_) | None => view(value, OF_TEXT, start),
        });
    }

    /// Adds a value of its own; `None`, and nothing added, when there is no room for it.
    #[must_use]
    pub fn push_own(&mut self, value: &str) -> Option<()> {
        u32::try_from(self.own.len() + value.len()).ok()?;
        self.nulls.append_non_null();
        self.views.push(view(value, OF_OWN, self.own.len()));
        self.own.push_str(value);
        Some(())
    }

    /// Adds a null.
    #[inline]
    pub fn push_null(&mut self) {
        self.nulls.append_null();
        self.views.push(0);
    }

    /// The array.
    pub fn finish(mut self) -> ArrayRef {
        let own = Buffer::from_vec(self.own.into_bytes());
        let buffers = vec![self.text.bytes.clone(), own];
        // SAFETY: each view is of a `str` in the buffer it names, at the offset it names: `push`
        // took it from the text, whose buffer is first, and `push_own` from `own`, which is second;
        // both are short enough for a view's 32 bits.
        Arc::new(unsafe {
            StringViewArray::new_unchecked(
                ScalarBuffer::from(self.views),
                buffers.into(),
                self.nulls.finish(),
            )
        })
    }
}

/// The view of a value that begins at `offset` of a buffer; both are below 4 GiB.
fn view(value: &str, buffer: u32, offset: usize) -> u128 {
    let bytes = value.as_bytes();
    let mut view = [0; 16];
    let (length, rest) = view.split_at_mut(4);
    length.copy_from_slice(&u32::try_from(bytes.len()).unwrap_or(0).to_le_bytes());
    if bytes.len() <= INLINE_BYTES {
        rest.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    } else {
        let offset = u32::try_from(offset).unwrap_or(u32::MAX);
        let place = [buffer.to_le_bytes(), offset.to_le_bytes()];
        let (prefix, tail) = rest.split_at_mut(4);
        prefix.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        tail.iter_mut().zip(place.as_flattened()).for_each(|(to, from)| *to = *from);
    }
    u128::from_le_bytes(view)
}

#[cfg(test)]
mod tests {
    use arrow_array::Array;
    use arrow_array::cast::AsArray;
    use proptest::prelude::*;

    use super::*;

    /// Marks, positions of a byte and parity of quotes, of one lane.
    struct Look<'t>(&'t [u8; LANE_BYTES], Divider);

    impl Work for Look<'_> {
        type Output = (Marks, u64, u64);

        fn run<L: Lanes>(self, lanes: L) -> Self::Output {
            let marks = lanes.marks(self.0, self.1);
            (marks, lanes.positions(self.0, b'\r'), lanes.parity(marks.quotes))
        }
    }

    proptest! {
        #[test]
        fn the_twins_agree(
            lane in proptest::collection::vec(
                prop_oneof![Just(b','), Just(b'"'), Just(b'\n'), Just(b'\r'), any::<u8>()],
                LANE_BYTES,
            ),
            delimiter in any::<u8>(),
            quote in any::<u8>(),
        ) {
            let lane: &[u8; LANE_BYTES] = lane.as_slice().try_into().expect("a lane");
            for divider in [Divider { delimiter: b',', quote: b'"' }, Divider { delimiter, quote }] {
                let portable = Scanner::Portable.run(Look(lane, divider));
                prop_assert_eq!(portable, Scanner::detect().run(Look(lane, divider)));
                let mut inside = false;
                for (at, byte) in lane.iter().enumerate() {
                    inside ^= *byte == divider.quote;
                    prop_assert_eq!(portable.2 >> at & 1 == 1, inside);
                    prop_assert_eq!(portable.0.delimiters >> at & 1 == 1, *byte == divider.delimiter);
                }
            }
        }

        #[test]
        fn views_are_the_values(values in proptest::collection::vec("[a-zé€😀]{0,20}", 1..40)) {
            let all: String = values.concat();
            let mut bytes = all.clone().into_bytes();
            bytes.resize(all.len() + PADDING_BYTES, 0);
            let text = Text::new(bytes, all.len()).expect("UTF-8");
            let mut views = Views::new(&text, values.len());
            let mut at = 0;
            for value in &values {
                views.push(at..at + value.len());
                views.push_own(value).expect("room");
                views.push_null();
                at += value.len();
            }
            let array = views.finish();
            let strings = array.as_string_view();
            for (row, value) in values.iter().enumerate() {
                prop_assert_eq!(strings.value(3 * row), value);
                prop_assert_eq!(strings.value(3 * row + 1), value);
                prop_assert!(strings.is_null(3 * row + 2));
            }
            array.to_data().validate_full().expect("valid");
            drop(array);
            prop_assert!(text.into_bytes().is_some(), "the bytes can be used again");
        }
    }

    #[test]
    fn text_is_utf8_with_padding() {
        let padded = |text: &[u8]| [text, &[0; PADDING_BYTES]].concat();
        assert!(Text::new(padded(b"a\xff"), 2).is_err());
        assert!(Text::new(b"ab".to_vec(), 2).is_err(), "no padding");
        let text = Text::new(padded("aé".as_bytes()), 3).expect("UTF-8");
        assert_eq!(text.as_str(), "aé");
        let mut views = Views::new(&text, 2);
        views.push(0..2);
        views.push(9..700);
        assert_eq!(views.finish().as_string_view().iter().flatten().collect::<String>(), "");
    }
}
