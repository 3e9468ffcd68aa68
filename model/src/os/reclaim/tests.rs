use proptest::prelude::*;

use super::aging::Aging;
use super::arc::Arc;
use super::car::Car;
use super::clock_pro::ClockPro;
use super::lfu::Lfu;
use super::lirs::Lirs;
use super::mru::Mru;
use super::nfu::Nfu;
use super::s3fifo::S3Fifo;
use super::sieve::Sieve;
use super::two_queues::TwoQueues;
use super::wsclock::WsClock;
use super::*;
use crate::config::choice::NoParameters;

fn named(name: &str) -> ReclaimPolicy {
    ReclaimPolicy::named(name).unwrap()
}

/// Faults of a reference string over `frames` frames; every use, the faulting one too, is a touch.
fn faults(policy: &ReclaimPolicy, frames: usize, pages: &[u64]) -> u64 {
    let mut policy = Policy::new(policy, frames);
    let mut resident: Vec<Option<u64>> = vec![None; frames];
    let mut faults = 0;
    for (now, &page) in pages.iter().enumerate() {
        let found = resident.iter().position(|held| *held == Some(page));
        let frame = found.unwrap_or_else(|| {
            faults += 1;
            let free = resident.iter().position(Option::is_none);
            policy.admit(Page::new(0, page));
            let frame = free.unwrap_or_else(|| policy.evict().unwrap().frame as usize);
            resident[frame] = Some(page);
            policy.insert(frame as u32, Page::new(0, page));
            frame
        });
        let next_use = (now + 1..pages.len()).find(|at| pages[*at] == page).map(|at| at as u64);
        policy.touch(frame as u32, Touch { write: false, retry: found.is_none(), next_use });
    }
    faults
}

fn clock(insert_referenced: bool, bits: u8) -> ReclaimPolicy {
    ReclaimPolicy::Clock(clock::Settings { insert_referenced, bits })
}

const BELADY: [u64; 12] = [1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5];
const SILBERSCHATZ: [u64; 20] = [7, 0, 1, 2, 0, 3, 0, 4, 2, 3, 0, 3, 2, 1, 2, 0, 1, 7, 0, 1];

#[test]
fn belady_s_anomaly() {
    assert_eq!(faults(&named("fifo"), 3, &BELADY), 9);
    assert_eq!(faults(&named("fifo"), 4, &BELADY), 10);
}

#[test]
fn the_textbook_string() {
    assert_eq!(faults(&named("fifo"), 3, &SILBERSCHATZ), 15);
    assert_eq!(faults(&named("lru"), 3, &SILBERSCHATZ), 12);
    assert_eq!(faults(&named("opt"), 3, &SILBERSCHATZ), 9);
}

#[test]
fn a_clock_whose_bits_are_all_set_is_fifo_for_one_round() {
    let mut policy = Policy::new(&clock(true, 1), 3);
    (0..3).for_each(|frame| policy.insert(frame, Page::new(0, frame.into())));
    assert_eq!(policy.evict(), Some(Victim { frame: 0, scanned: 4 }));
    assert_eq!(policy.evict(), Some(Victim { frame: 1, scanned: 1 }));
}

/// The frames that `policy` gives up while pages are used one after the other, by the pages in them.
fn victims(policy: &mut impl Reclaim, frames: usize, pages: &[u64]) -> Vec<u64> {
    let mut resident: Vec<Option<u64>> = vec![None; frames];
    let mut victims = Vec::new();
    for &page in pages {
        let found = resident.iter().position(|held| *held == Some(page));
        let frame = found.unwrap_or_else(|| {
            policy.admit(Page::new(0, page));
            let frame = resident.iter().position(Option::is_none).unwrap_or_else(|| {
                policy.resize(frames);
                policy.evict().unwrap().frame as usize
            });
            victims.extend(resident[frame].replace(page));
            policy.insert(frame as u32, Page::new(0, page));
            frame
        });
        policy.touch(frame as u32, Touch { retry: found.is_none(), ..Touch::default() });
    }
    victims
}

#[test]
fn the_most_recently_used_page_goes_first() {
    // A loop over four pages in three frames hits two of three times once it is under way.
    let policy = &mut Mru::default();
    assert_eq!(victims(policy, 3, &[1, 2, 3, 4, 1, 2, 3, 4, 1, 2]), [3, 2, 1]);
}

/// Worked by hand: 1 and 2 have two uses, 2 has had them for longer once 1 has a third.
#[test]
fn of_equally_many_uses_the_one_that_had_them_first_goes() {
    let policy = &mut Lfu::default();
    assert_eq!(victims(policy, 3, &[1, 2, 2, 1, 3, 1, 4, 4, 5, 3, 5]), [3, 2, 5, 3]);
}

/// The same string with bits: within a tick of four uses a page counts once.
#[test]
fn nfu_counts_ticks_and_not_uses() {
    let policy = &mut Nfu::new(&nfu::Settings { tick: 4 }, 3);
    // After the ticks: 1 has 2, 2 has 1, 3 has 1 (behind 2, which was used first).
    assert_eq!(victims(policy, 3, &[1, 2, 2, 2, 3, 1, 1, 1, 4]), [2]);
    // With a tick after each use it is LFU.
    let pages: Vec<u64> = (0..2000u64).map(|n| n * n % 31 % 17 + n % 3).collect();
    let nfu = victims(&mut Nfu::new(&nfu::Settings::default(), 7), 7, &pages);
    assert_eq!(nfu, victims(&mut Lfu::default(), 7, &pages));
}

/// Tanenbaum, Modern Operating Systems, chapter 3, problem on four page frames: their referenced bits at
/// eight ticks, and the counters after the last.
#[test]
fn aging_as_in_the_book() {
    let mut policy = Aging::new(&aging::Settings { tick: 4, bits: 8 }, 4);
    (0..4).for_each(|frame| policy.insert(frame, Page::new(0, frame.into())));
    for bits in ["0111", "1011", "1010", "1101", "0010", "1010", "1100", "0001"] {
        let used: Vec<u32> =
            (0..4).filter(|frame| bits.as_bytes()[*frame as usize] == b'1').collect();
        used.iter().cycle().take(4).for_each(|frame| policy.touch(*frame, Touch::default()));
    }
    let counters: Vec<u16> = (0..4).map(|frame| policy.counter(frame)).collect();
    assert_eq!(counters, [0b0110_1110, 0b0100_1001, 0b0011_0111, 0b1000_1011]);
    assert_eq!(policy.evict().map(|victim| victim.frame), Some(2));
}

/// Zhang et al., NSDI 2024, figure 3: A, B and D are visited and spared in their places, C and E go; G is
/// new at the front.
#[test]
fn sieve_spares_in_place() {
    let [a, b, c, d, e, f, g] = [1, 2, 3, 4, 5, 6, 7];
    let policy = &mut Sieve::default();
    let pages = [a, b, c, d, e, a, b, d, f, g, a, b, c];
    // The hand spares a and b and takes c, then spares d and takes e; c finds f next, not a or b.
    assert_eq!(victims(policy, 5, &pages), [c, e, f]);
}

/// Worked by hand, after Tanenbaum's figure 3-20: a page with its bit set is spared, one whose last use is
/// longer ago than tau goes if it is clean, and is written first if it is dirty.
#[test]
fn wsclock_takes_what_is_old_and_clean() {
    let mut policy = WsClock::new(&wsclock::Settings { tau: Some(2) }, 3);
    (0..3).for_each(|frame| policy.insert(frame, Page::new(0, frame.into())));
    policy.touch(0, Touch { write: true, ..Touch::default() });
    policy.touch(1, Touch::default());
    policy.touch(2, Touch::default());
    // All are in use: a round clears the bits, the next takes the first clean page.
    assert_eq!(policy.evict(), Some(Victim { frame: 1, scanned: 5 }));
    policy.insert(1, Page::new(0, 9));
    (0..3).for_each(|_| policy.touch(2, Touch::default()));
    // The hand is at 2, which was used. 0 is old and dirty; 1, new three uses ago, is old and clean.
    assert_eq!(policy.evict(), Some(Victim { frame: 1, scanned: 3 }));
    // 0 has been written by the time that the hand is back.
    assert_eq!(policy.evict(), Some(Victim { frame: 0, scanned: 2 }));
}

/// Worked by hand with one page for A1in before it gives up pages, and two for A1out.
#[test]
fn a_page_that_left_a1in_lately_comes_into_the_main_list() {
    let policy = &mut TwoQueues::new(&two_queues::Settings::default(), 4);
    // 1 and 2 come back while they are remembered, 3 comes back too late. 8 finds A1in with its one page.
    let pages = [1, 2, 3, 4, 5, 1, 2, 1, 6, 7, 3, 5, 8];
    assert_eq!(victims(policy, 4, &pages), [1, 2, 3, 4, 5, 6, 7, 2]);
}

/// Worked by hand with one page for the small queue and two for the main one and for ghosts.
#[test]
fn s3fifo_sorts_out_what_is_used_once() {
    let setting = s3fifo::Settings { small: 0.34, ..s3fifo::Settings::default() };
    let policy = &mut S3Fifo::new(&setting, 3);
    // 1 and 2 are used twice more: they go to the main queue. 3 comes back as a ghost. 1 is spared once.
    let pages = [1, 2, 3, 1, 1, 2, 2, 4, 5, 3, 1, 6];
    assert_eq!(victims(policy, 3, &pages), [3, 4, 5, 2]);
}

/// Worked by hand along figure 4 of the paper: p is 1 after 3 was found in B1 and 0 after 2 was in B2.
#[test]
fn arc_learns_from_its_ghosts() {
    let policy = &mut Arc::new(&NoParameters {}, 3);
    assert_eq!(victims(policy, 3, &[1, 2, 3, 4, 2, 5, 3, 6, 2]), [1, 3, 4, 2, 5]);
}

#[test]
fn the_target_of_arc_is_a_real_number() {
    let mut gone = adaptive::Adaptive::new(10);
    (0..2).for_each(|page| gone.ghosts.push(adaptive::B1, Page::new(0, page)));
    (2..5).for_each(|page| gone.ghosts.push(adaptive::B2, Page::new(0, page)));
    assert_eq!(gone.recall(Page::new(0, 0)), Some(adaptive::B1));
    assert_eq!(gone.p, 1.5);
    assert_eq!(gone.recall(Page::new(0, 3)), Some(adaptive::B2));
    assert_eq!(gone.p, 0.5);
    assert_eq!((gone.recall(Page::new(0, 3)), gone.p), (None, 0.5));
}

/// Worked by hand along figure 2 of the paper: 2 goes to T2 by its bit, 3 and 5 come back from B1; then p is 2
/// and the hand of T2 is asked.
#[test]
fn car_is_arc_with_clocks() {
    let policy = &mut Car::new(&NoParameters {}, 3);
    let pages = [1, 2, 3, 2, 4, 5, 3, 6, 7, 5, 8];
    assert_eq!(victims(policy, 3, &pages), [1, 3, 4, 5, 6, 7, 2]);
}

/// Worked by hand with two LIR pages and one HIR page, the sizes of the paper's example.
#[test]
fn lirs_keeps_what_comes_back_soon() {
    let policy = &mut Lirs::new(&lirs::Settings { hir: 0.34 }, 3);
    let pages = [1, 4, 2, 3, 2, 1, 4, 1, 5, 4, 6, 5, 7];
    assert_eq!(victims(policy, 3, &pages), [2, 3, 2, 5, 6, 1]);
}

/// Worked by hand: 3 comes back in its test period and takes the place of 1 and 2, which become cold; 1 is spared
/// once and then hot.
#[test]
fn clock_pro_promotes_in_the_test_period() {
    let policy = &mut ClockPro::new(&NoParameters {}, 3);
    assert_eq!(victims(policy, 3, &[1, 2, 3, 4, 3, 1, 5, 1, 6]), [3, 4, 2, 5]);
}

/// A scan through a loop that fits: what was used again stays, where LRU would lose all of it.
#[test]
fn scans_do_not_flush_what_is_used_again() {
    let mut pages: Vec<u64> = (0..400).map(|now| now % 20).collect();
    // The set of 20 pages goes on while every other use is of a page that is never used again.
    pages.extend((0..4000).map(|now| if now % 2 == 0 { now / 2 % 20 } else { 1000 + now }));
    let faults_of = |policy: &ReclaimPolicy| faults(policy, 30, &pages);
    assert!(faults_of(&named("lru")) > 4000);
    for policy in [
        named("2q"),
        named("s3fifo"),
        named("arc"),
        named("car"),
        named("lirs"),
        named("clock-pro"),
    ] {
        assert!(faults_of(&policy) < 20 + 2000 + 200, "{policy:?}: {}", faults_of(&policy));
    }
}

/// A policy in its plainest form: a vector of (frame, page, number) in the order of arrival or use.
struct Naive {
    setting: ReclaimPolicy,
    order: Vec<(u32, u64, u64)>,
}

impl Naive {
    fn insert(&mut self, frame: u32, page: u64) {
        let number = match self.setting {
            ReclaimPolicy::Clock(clock::Settings { insert_referenced, .. })
            | ReclaimPolicy::SecondChance(second_chance::Settings { insert_referenced }) => {
                insert_referenced.into()
            }
            _ => u64::MAX,
        };
        self.order.push((frame, page, number));
    }
    fn touch(&mut self, frame: u32, touch: Touch) {
        let Some(at) = self.order.iter().position(|held| held.0 == frame) else { return };
        match self.setting {
            ReclaimPolicy::Lru(_) => {
                let held = self.order.remove(at);
                self.order.push(held);
            }
            ReclaimPolicy::Clock(clock::Settings { bits, .. }) if !touch.retry => {
                self.order[at].2 = (self.order[at].2 + 1).min((1 << bits) - 1);
            }
            ReclaimPolicy::SecondChance(_) if !touch.retry => self.order[at].2 = 1,
            ReclaimPolicy::Opt(_) => self.order[at].2 = touch.next_use.unwrap_or(u64::MAX),
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
            ReclaimPolicy::Opt(_) => {
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
        Just(named("fifo")),
        Just(named("lru")),
        Just(named("opt")),
        any::<bool>().prop_map(|insert_referenced| ReclaimPolicy::SecondChance(
            second_chance::Settings { insert_referenced }
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
        let mut policy = Policy::new(&setting, 12);
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
                    policy.insert(frame, Page::new(0, u64::from(frame) * 7 % 5));
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
        let mut policy = Policy::new(&named("random"), 1000);
        frames.iter().for_each(|frame| policy.insert(*frame, Page::default()));
        let mut victims: Vec<_> = std::iter::from_fn(|| policy.evict()).map(|victim| victim.frame).collect();
        victims.sort_unstable();
        prop_assert_eq!(victims, frames.into_iter().collect::<Vec<_>>());
    }
}
