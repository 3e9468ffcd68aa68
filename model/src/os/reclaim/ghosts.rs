//! Pages that are remembered after they have gone, in queues.

use super::Page;
use super::index::Index;
use super::list::List;

/// `N` queues of pages that are not in memory; a page is in one at most.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub(super) struct Ghosts<const N: usize> {
    /// By number; those that are not in use keep what they had.
    pages: Vec<Page>,
    /// Numbers that are not in use.
    spare: Vec<u32>,
    index: Index,
    queues: [List; N],
}

impl<const N: usize> Default for Ghosts<N> {
    fn default() -> Self {
        let (pages, spare, index) = Default::default();
        Self { pages, spare, index, queues: std::array::from_fn(|_| List::default()) }
    }
}

impl<const N: usize> Ghosts<N> {
    pub fn host_bytes(&self) -> usize {
        self.pages.capacity() * size_of::<Page>()
            + self.spare.capacity() * size_of::<u32>()
            + self.index.host_bytes()
            + self.queues.iter().map(List::host_bytes).sum::<usize>()
    }

    /// Something of what taking `page` out reads, to have it read.
    #[inline]
    pub fn near(&self, page: Page) -> u64 {
        let Some(number) = self.index.near(page) else { return 0 };
        let queues = self.queues.iter().fold(0, |sum, queue| sum ^ queue.near(number));
        queues ^ self.pages.get(number as usize).map_or(0, |page| page.number())
    }

    /// How many pages are in a queue.
    pub fn len(&self, queue: usize) -> usize {
        self.queues[queue].len()
    }

    /// The queue that `page` is in.
    pub fn find(&self, page: Page) -> Option<usize> {
        let number = self.index.find(page, &self.pages)?;
        self.queues.iter().position(|queue| queue.contains(number))
    }

    /// Adds `page` to the end of a queue. Where the same page is remembered already, that ends: a page that
    /// was copied on write is in memory twice.
    pub fn push(&mut self, queue: usize, page: Page) {
        self.remove(page);
        let number = match self.spare.pop() {
            Some(number) => {
                self.pages[number as usize] = page;
                number
            }
            None => {
                self.pages.push(page);
                // A host does not hold 2^32 of them.
                self.pages.len() as u32 - 1
            }
        };
        self.index.insert(number, &self.pages);
        self.queues[queue].push(number);
    }

    /// Takes out `page`; the queue that it was in.
    pub fn remove(&mut self, page: Page) -> Option<usize> {
        let number = self.index.remove(page, &self.pages)?;
        let queue = self.queues.iter().position(|queue| queue.contains(number))?;
        self.queues[queue].remove(number);
        self.spare.push(number);
        Some(queue)
    }

    /// Takes out the first page of a queue.
    pub fn pop(&mut self, queue: usize) {
        if let Some(number) = self.queues[queue].first() {
            self.remove(self.pages[number as usize]);
        }
    }
}
