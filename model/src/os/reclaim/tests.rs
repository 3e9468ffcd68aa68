use proptest::prelude::*;

use super::*;

/// Faults of a reference string over `frames` frames; every use, the faulting one too, is a touch.
fn faults(policy: &ReclaimPolicy, frames: usize, pages: &[u64]) -> u64 {
    let mut policy = Policy::new(policy);
    let mut resident: Vec<Option<u64>> = vec![None; frames];
    let mut faults = 0;
    for (now, &page) in pages.iter().enumerate() {
        let found = resident.iter().position(|held| *held == Some(page));
        let frame = found.unwrap_or_else(|| {
            faults += 1;
            let free = resident.iter().position(Option::is_none);
            let frame = free.unwrap_or_else(|| policy.evict().unwrap().frame as usize);
            resident[frame] = Some(page);
            policy.insert(frame as u32, page);
            frame
        });
        let next_use = (now + 1..pages.len()).find(|at| pages[*at] == page).map(|at| at as u64);
        policy.touch(frame as u32, Touch { write: false, retry: found.is_none(), next_use });
    }
    faults
}

fn clock(insert_referenced: bool, bits: u8) -> ReclaimPolicy {
    ReclaimPolicy::Clock(ClockSetting { insert_referenced, bits })
}

const BELADY: [u64; 12] = [1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5];
const SILBERSCHATZ: [u64; 20] = [7, 0, 1, 2, 0, 3, 0, 4, 2, 3, 0, 3, 2, 1, 2, 0, 1, 7, 0, 1];

#[test]
fn belady_s_anomaly() {
    assert_eq!(faults(&ReclaimPolicy::Fifo, 3, &BELADY), 9);
    assert_eq!(faults(&ReclaimPolicy::Fifo, 4, &BELADY), 10);
}

#[test]
fn the_textbook_string() {
    assert_eq!(faults(&ReclaimPolicy::Fifo, 3, &SILBERSCHATZ), 15);
    assert_eq!(faults(&ReclaimPolicy::Lru, 3, &SILBERSCHATZ), 12);
    assert_eq!(faults(&ReclaimPolicy::Opt, 3, &SILBERSCHATZ), 9);
}

#[test]
fn a_clock_whose_bits_are_all_set_is_fifo_for_one_round() {
    let mut policy = Policy::new(&clock(true, 1));
    (0..3).for_each(|frame| policy.insert(frame, u64::from(frame)));
    assert_eq!(policy.evict(), Some(Victim { frame: 0, scanned: 4 }));
    assert_eq!(policy.evict(), Some(Victim { frame: 1, scanned: 1 }));
}

/// A policy in its plainest form: a vector of (frame, page, number) in the order of arrival or use.
struct Naive {
    setting: ReclaimPolicy,
    order: Vec<(u32, u64, u64)>,
}

impl Naive {
    fn insert(&mut self, frame: u32, page: u64) {
        let number = match self.setting {
            ReclaimPolicy::Clock(ClockSetting { insert_referenced, .. })
            | ReclaimPolicy::SecondChance(SecondChanceSetting { insert_referenced }) => {
                insert_referenced.into()
            }
            _ => u64::MAX,
        };
        self.order.push((frame, page, number));
    }
    fn touch(&mut self, frame: u32, touch: Touch) {
        let Some(at) = self.order.iter().position(|held| held.0 == frame) else { return };
        match self.setting {
            ReclaimPolicy::Lru => {
                let held = self.order.remove(at);
                self.order.push(held);
            }
            ReclaimPolicy::Clock(ClockSetting { bits, .. }) if !touch.retry => {
                self.order[at].2 = (self.order[at].2 + 1).min((1 << bits) - 1);
            }
            ReclaimPolicy::SecondChance(_) if !touch.retry => self.order[at].2 = 1,
            ReclaimPolicy::Opt => self.order[at].2 = touch.next_use.unwrap_or(u64::MAX),
            _ => {}
        }
    }
    fn evict(&mut self) -> Option<u32> {
        match self.setting {
            ReclaimPolicy::Clock(_) | ReclaimPolicy::SecondChance(_) => {
                while self.order.first()?.2 > 0 {
                    let (frame, page, number) = self.order.remove(0);
                    self.order.push((frame, page, number - 1));
                }
            }
            ReclaimPolicy::Opt => {
                let farthest = self.order.iter().map(|held| held.2).max()?;
                let lowest =
                    self.order.iter().filter(|held| held.2 == farthest).map(|held| held.1).min()?;
                let at =
                    self.order.iter().position(|held| held.2 == farthest && held.1 == lowest)?;
                return Some(self.order.remove(at).0);
            }
            _ => {}
        }
        (!self.order.is_empty()).then(|| self.order.remove(0).0)
    }
}

fn policies() -> impl Strategy<Value = ReclaimPolicy> {
    prop_oneof![
        Just(ReclaimPolicy::Fifo),
        Just(ReclaimPolicy::Lru),
        Just(ReclaimPolicy::Opt),
        any::<bool>().prop_map(|insert_referenced| ReclaimPolicy::SecondChance(
            SecondChanceSetting { insert_referenced }
        )),
        (any::<bool>(), 1u8..4).prop_map(|(referenced, bits)| clock(referenced, bits)),
    ]
}

proptest! {
    #[test]
    fn every_policy_agrees_with_its_plain_form(
        setting in policies(),
        operations in prop::collection::vec((0u8..8, 0u32..12, any::<bool>(), prop::option::of(0u64..40)), 1..200),
    ) {
        let mut policy = Policy::new(&setting);
        let mut naive = Naive { setting, order: Vec::new() };
        for (operation, frame, retry, next_use) in operations {
            let held = naive.order.iter().any(|held| held.0 == frame);
            match operation {
                0 if held => {
                    policy.remove(frame);
                    naive.order.retain(|held| held.0 != frame);
                }
                1 | 2 => prop_assert_eq!(policy.evict().map(|victim| victim.frame), naive.evict()),
                _ if held => {
                    let touch = Touch { write: false, retry, next_use };
                    policy.touch(frame, touch);
                    naive.touch(frame, touch);
                }
                _ => {
                    policy.insert(frame, u64::from(frame) * 7 % 5);
                    naive.insert(frame, u64::from(frame) * 7 % 5);
                    // Two pages with one number only exist in different address spaces; keep them apart.
                    if naive.order.iter().filter(|held| held.1 == u64::from(frame) * 7 % 5).count() > 1 {
                        policy.remove(frame);
                        naive.order.pop();
                    }
                }
            }
            prop_assert_eq!(policy.len(), naive.order.len());
        }
    }

    #[test]
    fn random_evicts_each_page_once(frames in prop::collection::btree_set(0u32..1000, 1..50)) {
        let mut policy = Policy::new(&ReclaimPolicy::Random);
        frames.iter().for_each(|frame| policy.insert(*frame, 0));
        let mut victims: Vec<_> = std::iter::from_fn(|| policy.evict()).map(|victim| victim.frame).collect();
        victims.sort_unstable();
        prop_assert_eq!(victims, frames.into_iter().collect::<Vec<_>>());
    }
}
