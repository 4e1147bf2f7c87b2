//! Bytes of one upload that are in memory: put together into blocks, written in order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes put together before they are written.
const BLOCK_BYTES: usize = 128 * 1024;
/// Bytes one upload may have buffered.
const UPLOAD_BUFFER_BYTES: usize = 512 << 10;
/// Bytes all uploads together may have buffered; beyond it each writes before it takes more.
const ALL_BUFFERS_BYTES: usize = 64 << 20;
/// Written blocks kept to be filled again.
const SPARE_BLOCKS: usize = 1;

/// Bytes that belong together.
#[derive(Debug, Default)]
pub struct Block {
    /// Where in the file they go.
    pub at: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// The bytes of one upload that are in memory.
#[derive(Debug)]
pub struct Buffer {
    filling: Block,
    queue: VecDeque<Block>,
    spare: Vec<Vec<u8>>,
    bytes: usize,
    /// Bytes of all uploads.
    all: Arc<AtomicUsize>,
}

impl Buffer {
    /// An empty buffer; `all` counts the bytes of every one.
    pub fn new(all: Arc<AtomicUsize>) -> Self {
        Self { filling: Block::default(), queue: VecDeque::new(), spare: Vec::new(), bytes: 0, all }
    }

    /// Whether more bytes should be taken before some are written.
    pub fn has_room(&self) -> bool {
        let all = self.all.load(Ordering::Relaxed);
        self.bytes == 0 || (self.bytes < UPLOAD_BUFFER_BYTES && all < ALL_BUFFERS_BYTES)
    }

    /// Takes bytes.
    pub fn push(&mut self, at: u64, bytes: &[u8]) {
        if at != self.filling.at + self.filling.bytes.len() as u64 {
            self.cut();
        }
        if self.filling.bytes.is_empty() {
            self.filling.at = at;
            if self.filling.bytes.capacity() == 0 {
                self.filling.bytes = self.spare.pop().unwrap_or_default();
            }
        }
        self.filling.bytes.extend_from_slice(bytes);
        self.bytes += bytes.len();
        self.all.fetch_add(bytes.len(), Ordering::Relaxed);
        if self.filling.bytes.len() >= BLOCK_BYTES {
            self.cut();
        }
    }

    /// Queues the block that is being filled.
    pub fn cut(&mut self) {
        if !self.filling.bytes.is_empty() {
            self.queue.push_back(std::mem::take(&mut self.filling));
        }
    }

    /// Whether a block waits to be written.
    pub fn is_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    /// The block to write next; to be given to [`Self::written`] afterwards.
    pub fn next(&mut self) -> Option<Block> {
        self.queue.pop_front()
    }

    /// Forgets a block that was written, or that cannot be.
    pub fn written(&mut self, mut block: Block) {
        self.bytes -= block.bytes.len();
        self.all.fetch_sub(block.bytes.len(), Ordering::Relaxed);
        if self.spare.len() < SPARE_BLOCKS {
            block.bytes.clear();
            self.spare.push(block.bytes);
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_become_one_block_and_order_is_kept() {
        let all = Arc::new(AtomicUsize::new(0));
        let mut buffer = Buffer::new(Arc::clone(&all));
        buffer.push(0, b"ab");
        buffer.push(2, b"cd");
        buffer.push(100, b"x");
        buffer.push(0, b"y");
        buffer.cut();
        let mut blocks = Vec::new();
        while let Some(block) = buffer.next() {
            blocks.push((block.at, block.bytes.clone()));
            buffer.written(block);
        }
        assert_eq!(blocks, [(0, b"abcd".to_vec()), (100, b"x".to_vec()), (0, b"y".to_vec())]);
        assert_eq!(all.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn memory_is_bounded_for_one_and_for_all() {
        let all = Arc::new(AtomicUsize::new(0));
        let mut first = Buffer::new(Arc::clone(&all));
        let mut at = 0;
        while first.has_room() {
            first.push(at, &[7; 32 << 10]);
            at += 32 << 10;
        }
        assert_eq!(at, UPLOAD_BUFFER_BYTES as u64);
        all.fetch_add(ALL_BUFFERS_BYTES, Ordering::Relaxed);
        let mut second = Buffer::new(Arc::clone(&all));
        assert!(second.has_room(), "an upload with nothing buffered always goes on");
        second.push(0, b"x");
        assert!(!second.has_room());
        drop(second);
        drop(first);
        assert_eq!(all.load(Ordering::Relaxed), ALL_BUFFERS_BYTES);
    }
}
