//! A hash tree over history (RFC 6962, section 2.1), as plain arithmetic.
//!
//! The hash of a leaf is SHA-256 over the byte 0 and the event's canonical bytes, that of a node over
//! the byte 1 and its two children; a tree over `n` leaves is split at the largest power of two
//! below `n`. One hash, the root, stands for all leaves and their order. An inclusion proof shows
//! that a leaf is in a tree, a consistency proof that one tree begins with all of another; both have
//! about log2(n) hashes, and both are checked as RFC 9162, sections 2.1.3.2 and 2.1.4.2, says.
//!
//! A complete subtree is named by its level and position: level `l`, position `p` stands over the
//! leaves from `p * 2^l` up to, not including, `(p + 1) * 2^l`. Whoever makes proofs is asked for
//! such nodes only.

use sha2::Digest as _;

use crate::names::Digest;

/// The lowest level whose nodes a store keeps: those below are made from at most 256 leaves.
pub const KEPT_LEVEL: u8 = 8;

/// The hash of a leaf with these bytes.
pub fn leaf(bytes: &[u8]) -> Digest {
    let mut hasher = sha2::Sha256::new();
    hasher.update([0]);
    hasher.update(bytes);
    Digest::from_bytes(hasher.finalize().into())
}

/// The hash of a node with these children.
pub fn node(left: &Digest, right: &Digest) -> Digest {
    let mut hasher = sha2::Sha256::new();
    hasher.update([1]);
    hasher.update(left.as_bytes());
    hasher.update(right.as_bytes());
    Digest::from_bytes(hasher.finalize().into())
}

/// A complete subtree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// It stands over two to the power of this many leaves.
    pub level: u8,
    /// How many of its level stand before it.
    pub position: u64,
    /// Its hash.
    pub hash: Digest,
}

/// A tree that grows leaf by leaf: its size, and the hashes of the complete subtrees it is made of,
/// the largest first. That is all it takes to extend it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Digest>,
}

impl Frontier {
    /// The frontier of the first `size` leaves; `at` gives the hash of a complete subtree by level
    /// and position.
    ///
    /// # Errors
    /// What `at` says.
    pub fn of<E>(size: u64, at: impl FnMut(u8, u64) -> Result<Digest, E>) -> Result<Self, E> {
        Ok(Self { size, peaks: complete_within(0, size, at)? })
    }

    /// How many leaves it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Takes the next leaf. Answers the subtrees that are complete with it and that a store keeps.
    pub fn push(&mut self, leaf: Digest) -> Vec<Node> {
        let mut kept = Vec::new();
        let mut hash = leaf;
        // As many subtrees are completed as the size has ones at its end.
        for level in 1..=u8::try_from(self.size.trailing_ones()).unwrap_or(u8::MAX) {
            let Some(left) = self.peaks.pop() else { break };
            hash = node(&left, &hash);
            if level >= KEPT_LEVEL {
                kept.push(Node { level, position: self.size >> level, hash });
            }
        }
        self.peaks.push(hash);
        self.size += 1;
        kept
    }

    /// The root over all leaves; SHA-256 of nothing when there is none.
    pub fn root(&self) -> Digest {
        fold(&self.peaks)
    }
}

/// The root of the first `size` leaves.
///
/// # Errors
/// What `at` says.
pub fn root<E>(size: u64, at: impl FnMut(u8, u64) -> Result<Digest, E>) -> Result<Digest, E> {
    range(0, size, at)
}

/// The proof that leaf `index`, counted from 0, is among the first `size`. Empty for an index that is
/// not.
///
/// # Errors
/// What `at` says.
pub fn inclusion<E>(
    index: u64,
    size: u64,
    mut at: impl FnMut(u8, u64) -> Result<Digest, E>,
) -> Result<Vec<Digest>, E> {
    let (mut start, mut end) = (0, size);
    let mut siblings = Vec::new();
    while index < size && end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            siblings.push((middle, end));
            end = middle;
        } else {
            siblings.push((start, middle));
            start = middle;
        }
    }
    siblings.into_iter().rev().map(|(start, end)| range(start, end, &mut at)).collect()
}

/// The proof that the first `new` leaves begin with the first `old`. Empty when either is none or
/// they are the same.
///
/// # Errors
/// What `at` says.
pub fn consistency<E>(
    old: u64,
    new: u64,
    mut at: impl FnMut(u8, u64) -> Result<Digest, E>,
) -> Result<Vec<Digest>, E> {
    let (mut start, mut end) = (0, new);
    let mut ranges = Vec::new();
    while old > 0 && old < end {
        let middle = start + split(end - start);
        if old <= middle {
            ranges.push((middle, end));
            end = middle;
        } else {
            ranges.push((start, middle));
            start = middle;
        }
    }
    // A subtree that is all of the old tree need not be told: who checks has its root.
    if start > 0 {
        ranges.push((start, end));
    }
    ranges.into_iter().rev().map(|(start, end)| range(start, end, &mut at)).collect()
}

/// Whether a proof shows that a leaf is number `index` of `size` (RFC 9162, section 2.1.3.2).
pub fn is_included(leaf: &Digest, index: u64, size: u64, proof: &[Digest], root: &Digest) -> bool {
    if index >= size {
        return false;
    }
    let mut place = Place { index, last: size - 1 };
    let mut hash = *leaf;
    for sibling in proof {
        if place.last == 0 {
            return false;
        }
        if place.is_right() {
            hash = node(sibling, &hash);
            place.skip_zeros();
        } else {
            hash = node(&hash, sibling);
        }
        place.up();
    }
    place.last == 0 && hash == *root
}

/// Whether a proof shows that the tree `new` begins with all of the tree `old`, each a size and a
/// root (RFC 9162, section 2.1.4.2).
pub fn is_consistent(old: (u64, &Digest), new: (u64, &Digest), proof: &[Digest]) -> bool {
    let ((old_size, old_root), (new_size, new_root)) = (old, new);
    if old_size == 0 || old_size >= new_size {
        let same = old_size == 0 || (old_size == new_size && old_root == new_root);
        return same && proof.is_empty();
    }
    let own = old_size.is_power_of_two().then_some(old_root);
    let mut path = own.into_iter().chain(proof);
    let Some(first) = path.next() else { return false };
    let mut place = Place { index: old_size - 1, last: new_size - 1 };
    while place.index & 1 == 1 {
        place.up();
    }
    let (mut old_hash, mut new_hash) = (*first, *first);
    for sibling in path {
        if place.last == 0 {
            return false;
        }
        if place.is_right() {
            old_hash = node(sibling, &old_hash);
            new_hash = node(sibling, &new_hash);
            place.skip_zeros();
        } else {
            new_hash = node(&new_hash, sibling);
        }
        place.up();
    }
    place.last == 0 && old_hash == *old_root && new_hash == *new_root
}

/// Where a walk up a tree stands: the position on this level, and the last position there.
struct Place {
    index: u64,
    last: u64,
}

impl Place {
    fn is_right(&self) -> bool {
        self.index & 1 == 1 || self.index == self.last
    }

    /// A last node without a sibling goes up as it is.
    fn skip_zeros(&mut self) {
        while self.index & 1 == 0 && self.index != 0 {
            self.up();
        }
    }

    fn up(&mut self) {
        self.index >>= 1;
        self.last >>= 1;
    }
}

/// The complete subtrees, each with its level, that stand over the leaves from `start` up to `end`,
/// from left to right. With the frontier of `start` and the leaves that follow `end` left out, they
/// say what is between.
///
/// # Errors
/// What `at` says.
pub fn cover<E>(
    mut start: u64,
    end: u64,
    mut at: impl FnMut(u8, u64) -> Result<Digest, E>,
) -> Result<Vec<Node>, E> {
    let mut found = Vec::new();
    while start < end {
        let level = start.trailing_zeros().min((end - start).ilog2());
        let (level, position) = (u8::try_from(level).unwrap_or(u8::MAX), start >> level);
        found.push(Node { level, position, hash: at(level, position)? });
        start += 1 << level;
    }
    Ok(found)
}

/// The largest power of two below `size`, which is above 1.
fn split(size: u64) -> u64 {
    1 << (63 - (size - 1).leading_zeros())
}

/// The hash over the leaves from `start` up to `end`, where `start` is a multiple of a power of two
/// not below their number.
fn range<E>(
    start: u64,
    end: u64,
    at: impl FnMut(u8, u64) -> Result<Digest, E>,
) -> Result<Digest, E> {
    Ok(fold(&complete_within(start, end, at)?))
}

fn complete_within<E>(
    mut start: u64,
    end: u64,
    mut at: impl FnMut(u8, u64) -> Result<Digest, E>,
) -> Result<Vec<Digest>, E> {
    let mut found = Vec::new();
    while start < end {
        let level = (end - start).ilog2();
        found.push(at(u8::try_from(level).unwrap_or(u8::MAX), start >> level)?);
        start += 1 << level;
    }
    Ok(found)
}

/// The hash over subtrees that stand side by side, the largest first.
fn fold(peaks: &[Digest]) -> Digest {
    let mut from_the_right = peaks.iter().rev();
    let Some(last) = from_the_right.next() else {
        return Digest::from_bytes(sha2::Sha256::digest([]).into());
    };
    from_the_right.fold(*last, |right, left| node(left, &right))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn leaves(count: u64) -> Vec<Digest> {
        (0..count).map(|n| leaf(&n.to_be_bytes())).collect()
    }

    /// The definition of RFC 6962, section 2.1, word by word.
    fn defined(leaves: &[Digest]) -> Digest {
        match leaves {
            [] => Digest::from_bytes(sha2::Sha256::digest([]).into()),
            [one] => *one,
            many => {
                let (left, right) = many.split_at(many.len().next_power_of_two() / 2);
                node(&defined(left), &defined(right))
            }
        }
    }

    fn source(leaves: &[Digest]) -> impl Fn(u8, u64) -> Result<Digest, Infallible> {
        |level, position| {
            let start = usize::try_from(position << level).expect("small");
            Ok(defined(&leaves[start..start + (1 << level)]))
        }
    }

    #[test]
    fn the_reference_trees_roots() {
        // google/certificate-transparency, merkle_tree_test: the inputs and their roots.
        let inputs: [&[u8]; 8] = [
            b"",
            &[0],
            &[0x10],
            &[0x20, 0x21],
            &[0x30, 0x31],
            &[0x40, 0x41, 0x42, 0x43],
            &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
            &[
                0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d,
                0x6e, 0x6f,
            ],
        ];
        let mut tree = Frontier::default();
        assert_eq!(
            tree.root().to_string(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        let roots = inputs.map(|input| {
            tree.push(leaf(input));
            tree.root().to_string()
        });
        assert_eq!(roots[0], "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
        assert_eq!(roots[1], "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125");
        assert_eq!(roots[7], "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328");
    }

    #[test]
    fn every_proof_of_small_trees_holds_and_no_other_does() {
        let all = leaves(40);
        for size in 1..=40_u64 {
            let now = &all[..usize::try_from(size).expect("small")];
            let new = defined(now);
            assert_eq!(root(size, source(now)), Ok(new));
            assert_eq!(Frontier::of(size, source(now)).expect("made").root(), new);
            for index in 0..size {
                let proof = inclusion(index, size, source(now)).expect("made");
                let own = &now[usize::try_from(index).expect("small")];
                assert!(is_included(own, index, size, &proof, &new), "{index} of {size}");
                assert!(!is_included(&leaf(b"x"), index, size, &proof, &new));
                assert!(!is_included(own, index, size, &proof, &leaf(b"x")));
                assert!(size == 1 || !is_included(own, (index + 1) % size, size, &proof, &new));
                let longer = [&proof[..], &[leaf(b"x")]].concat();
                assert!(!is_included(own, index, size, &longer, &new));
                let old_size = index + 1;
                let old = defined(&all[..usize::try_from(old_size).expect("small")]);
                let proof = consistency(old_size, size, source(now)).expect("made");
                assert!(is_consistent((old_size, &old), (size, &new), &proof), "{old_size} {size}");
                let (x, y) = (leaf(b"x"), leaf(b"y"));
                assert!(!is_consistent((old_size, &x), (size, &new), &proof));
                assert!(!is_consistent((old_size, &old), (size, &y), &proof));
            }
        }
        assert!(!is_consistent((3, &leaf(b"x")), (2, &leaf(b"y")), &[]));
    }

    #[test]
    fn a_cover_stands_over_just_what_it_should() {
        let all = leaves(40);
        for start in 0..=40 {
            for end in start..=40 {
                let cover = cover(start, end, source(&all)).expect("made");
                let spans = cover.iter().map(|node| 1_u64 << node.level);
                assert_eq!(spans.sum::<u64>(), end - start);
                let first = cover.first().map_or(start, |node| node.position << node.level);
                assert_eq!(first, start);
                if start == 0 {
                    let peaks: Vec<_> = cover.iter().map(|node| node.hash).collect();
                    assert_eq!(fold(&peaks), root(end, source(&all)).expect("made"));
                }
            }
        }
    }

    #[test]
    fn a_growing_tree_tells_the_nodes_a_store_keeps() {
        let all = leaves(1024);
        let mut tree = Frontier::default();
        let kept: Vec<Node> = all.iter().flat_map(|leaf| tree.push(*leaf)).collect();
        let places: Vec<_> = kept.iter().map(|node| (node.level, node.position)).collect();
        assert_eq!(places, [(8, 0), (8, 1), (9, 0), (8, 2), (8, 3), (9, 1), (10, 0)]);
        for Node { level, position, hash } in kept {
            assert_eq!(source(&all)(level, position), Ok(hash));
        }
        assert_eq!(tree.root(), defined(&all));
    }
}
