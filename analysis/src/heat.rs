//! Where a trace goes over time, in constant memory: a sample of its accesses.

use bincode::{Decode, Encode};
use tracegen::batch::Batch;
use tracegen::record::AccessKind;

/// How many accesses are kept at most.
const CAPACITY: usize = 1 << 16;

/// Every `stride`th data access of a trace. When the sample is full, every second one is dropped and
/// the stride doubles, so that it is even over a trace of any length.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct HeatSample {
    /// Accesses from one sample to the next.
    pub stride: u64,
    /// Data accesses that the trace had.
    pub accesses: u64,
    /// (process-blind virtual page of 4 KiB) of each sample, in order.
    pub pages: Vec<u64>,
}

impl Default for HeatSample {
    fn default() -> Self {
        Self { stride: 1, accesses: 0, pages: Vec::new() }
    }
}

impl HeatSample {
    /// Takes what is due of `batch`.
    pub fn observe(&mut self, batch: &Batch) {
        if !batch.kind.contains(&AccessKind::Fetch) {
            return self.observe_data(&batch.addr);
        }
        for (&addr, &kind) in batch.addr.iter().zip(&batch.kind) {
            if kind == AccessKind::Fetch {
                continue;
            }
            if self.accesses.is_multiple_of(self.stride) {
                self.take(addr >> 12);
            }
            self.accesses += 1;
        }
    }

    /// [`Self::observe`] where all are data accesses: goes from sample to sample.
    fn observe_data(&mut self, addresses: &[u64]) {
        let start = self.accesses;
        let mut next = start.next_multiple_of(self.stride);
        while let Some(addr) = usize::try_from(next - start).ok().and_then(|due| addresses.get(due))
        {
            self.take(addr >> 12);
            next += self.stride;
        }
        self.accesses = start + addresses.len() as u64;
    }

    fn take(&mut self, page: u64) {
        if self.pages.len() == CAPACITY {
            let mut keep = false;
            self.pages.retain(|_| {
                keep = !keep;
                keep
            });
            self.stride *= 2;
            // The capacity is even: the sample that is due now lies on the doubled stride too.
        }
        self.pages.push(page);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracegen::record::Access;

    #[test]
    fn samples_stay_even_and_bounded() {
        let mut heat = HeatSample::default();
        let total = 5 * CAPACITY as u64 + 77;
        for start in (0..total).step_by(1000) {
            let mut batch = Batch::new();
            for index in start..(start + 1000).min(total) {
                batch.push_access(Access { addr: index << 12, size: 8, ..Access::default() });
            }
            heat.observe(&batch);
        }
        assert_eq!((heat.accesses, heat.stride), (total, 8));
        let expected: Vec<u64> = (0..total).step_by(8).collect();
        assert_eq!(heat.pages, expected);
    }
}
