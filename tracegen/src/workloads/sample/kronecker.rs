//! The Kronecker graphs of Graph500.

use super::Random;
use crate::error::TraceError;

/// The initiator's probabilities A, B and C in hundredths (Graph500 specification, section 3.2); D is
/// the rest.
const INITIATOR: [u64; 3] = [57, 19, 19];

/// An edge list that is generated whenever it is read: every bit of an edge's ends is a draw of one of
/// the initiator's four quadrants, and the vertices are relabelled in a random order.
pub struct Kronecker {
    scale: u32,
    edges: u64,
    labels: Vec<u32>,
    random: Random,
}

impl Kronecker {
    /// A list of `edges` edges between 2^`scale` vertices, `scale` being at most 31.
    ///
    /// # Errors
    /// The labels do not fit into the host's memory.
    pub fn new(scale: u32, edges: u64, random: &mut Random) -> Result<Self, TraceError> {
        let mut labels = Vec::new();
        labels.try_reserve_exact(1 << scale).map_err(|_| {
            TraceError::Workload(format!("2^{scale} vertices do not fit into this host's memory"))
        })?;
        labels.extend(0..1u32 << scale);
        random.shuffle(&mut labels);
        // The edges have a stream of their own, so that they can be read again.
        let random = Random::new("kronecker", random.bits());
        Ok(Self { scale, edges, labels, random })
    }

    /// The edges.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        let mut random = self.random.clone();
        (0..self.edges).map(move |_| {
            let (mut from, mut to) = (0, 0);
            for _ in 0..self.scale {
                let draw = random.below(100);
                let [a, b, c] = INITIATOR;
                let row = usize::from(draw >= a + b);
                let column = usize::from((a..a + b).contains(&draw) || draw >= a + b + c);
                (from, to) = (from << 1 | row, to << 1 | column);
            }
            (self.labels[from], self.labels[to])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workloads::sample::tests::chi_square;

    #[test]
    fn one_bit_draws_the_initiator() {
        let graph = Kronecker::new(1, 100_000, &mut Random::new("test", 1)).unwrap();
        let mut counts = [0u64; 4];
        graph.iter().for_each(|(from, to)| counts[(from * 2 + to) as usize] += 1);
        // The labels may be swapped; the diagonal's larger entry tells.
        if counts[3] > counts[0] {
            counts.reverse();
        }
        assert!(chi_square(&counts, &[57e3, 19e3, 19e3, 5e3]) > 1e-4, "{counts:?}");
    }

    #[test]
    fn reading_again_gives_the_same_edges() {
        let graph = Kronecker::new(10, 1000, &mut Random::new("test", 1)).unwrap();
        assert!(graph.iter().eq(graph.iter()));
        assert!(graph.iter().all(|(from, to)| from < 1024 && to < 1024));
    }
}
