//! Every policy: the setting `os.reclaim`, which is a policy's name or a table with its parameters, and the
//! policy that it stands for.

use super::{Page, Reclaim, Touch, Victim};
use crate::config::choice::{NoParameters, choice};

/// Declares the setting and the policies, each with what it takes, its name, its module and its type.
macro_rules! policies {
    ($($(#[doc = $doc:literal])* $name:literal $module:ident $Type:ident)*) => {
        choice! {
            /// A reclaim policy with its parameters.
            #[derive(Copy)]
            ReclaimPolicy {
                key: "policy", what: "reclaim policy", setting: "os.reclaim", schema: "ReclaimPolicy"
            }
            $($(#[doc = $doc])* $name $Type(<super::$module::$Type as Reclaim>::Settings))*
        }

        impl ReclaimPolicy {
            /// Whether the policy needs to know when a page is used next.
            pub fn needs_next_use(&self) -> bool {
                match self {
                    $(Self::$Type(_) => super::$module::$Type::NEEDS_NEXT_USE,)*
                }
            }

            /// Whether the policy remembers pages that it has given up.
            pub fn remembers(&self) -> bool {
                match self {
                    $(Self::$Type(_) => super::$module::$Type::REMEMBERS,)*
                }
            }

            /// Whether the size of memory makes a difference to the policy before memory is full.
            pub fn fills_by_size(&self) -> bool {
                match self {
                    $(Self::$Type(settings) => super::$module::$Type::fills_by_size(settings),)*
                }
            }
        }

        /// Every policy, matched once a call.
        #[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
        #[allow(missing_docs, reason = "each is its setting's policy")]
        pub enum Policy {
            $($Type(super::$module::$Type),)*
        }

        macro_rules! each {
            ($self:ident, $policy:ident => $call:expr) => {
                match $self {
                    $(Policy::$Type($policy) => $call,)*
                }
            };
        }

        impl Reclaim for Policy {
            type Settings = ReclaimPolicy;

            fn new(setting: &ReclaimPolicy, capacity: usize) -> Self {
                match setting {
                    $(ReclaimPolicy::$Type(settings) => {
                        Self::$Type(super::$module::$Type::new(settings, capacity))
                    })*
                }
            }
            fn resize(&mut self, pages: usize) {
                each!(self, policy => policy.resize(pages));
            }
            fn admit(&mut self, page: Page) {
                each!(self, policy => policy.admit(page));
            }
            fn insert(&mut self, frame: u32, page: Page) {
                each!(self, policy => policy.insert(frame, page));
            }
            fn touch(&mut self, frame: u32, touch: Touch) {
                each!(self, policy => policy.touch(frame, touch));
            }
            fn dirtied(&mut self, frame: u32) {
                each!(self, policy => policy.dirtied(frame));
            }
            fn evict(&mut self) -> Option<Victim> {
                each!(self, policy => policy.evict())
            }
            fn remove(&mut self, frame: u32) {
                each!(self, policy => policy.remove(frame));
            }
            fn forget(&mut self, page: Page) {
                each!(self, policy => policy.forget(page));
            }
            #[inline]
            fn near(&self, frame: u32) -> u64 {
                each!(self, policy => policy.near(frame))
            }
            #[inline]
            fn near_page(&self, page: Page) -> u64 {
                each!(self, policy => policy.near_page(page))
            }
            fn len(&self) -> usize {
                each!(self, policy => policy.len())
            }
            fn host_bytes(&self) -> usize {
                each!(self, policy => policy.host_bytes())
            }
        }
    };
}

policies! {
    /// The page that came first.
    "fifo" fifo Fifo
    /// The least recently touched page.
    "lru" lru Lru
    /// The most recently touched page.
    "mru" mru Mru
    /// The first page under a hand over a circular list whose referenced bit is clear.
    "clock" clock Clock
    /// The first page of a queue whose referenced pages go to its end.
    "second-chance" second_chance SecondChance
    /// The page with the fewest uses.
    "lfu" lfu Lfu
    /// The page that was found used at the fewest clock ticks.
    "nfu" nfu Nfu
    /// The page with the lowest counter; counters are halved at every clock tick.
    "aging" aging Aging
    /// The page that a clock finds outside the working set.
    "wsclock" wsclock WsClock
    /// From a queue for what is new, or a list by recency for what came back.
    "2q" two_queues TwoQueues
    /// From a small queue for what is new, or a main one, by counts of uses.
    "s3fifo" s3fifo S3Fifo
    /// The first unvisited page under a hand that moves from old to new.
    "sieve" sieve Sieve
    /// From two lists by recency, for pages used once and more often, whose sizes adapt.
    "arc" arc Arc
    /// The same with two clocks.
    "car" car Car
    /// By the distance of a page's last two uses.
    "lirs" lirs Lirs
    /// The same with referenced bits, and shares that adapt.
    "clock-pro" clock_pro ClockPro
    /// Any page.
    "random" random Random
    /// The page that is used again last.
    "opt" opt Opt
}

impl Default for ReclaimPolicy {
    fn default() -> Self {
        Self::Lru(NoParameters {})
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::super::{clock, two_queues, wsclock};
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Wrapper {
        reclaim: ReclaimPolicy,
    }

    fn read(text: &str) -> Result<ReclaimPolicy, String> {
        toml::from_str::<Wrapper>(&format!("reclaim = {text}"))
            .map(|w| w.reclaim)
            .map_err(|e| e.to_string())
    }

    #[test]
    fn a_name_or_a_table() {
        let chance = ReclaimPolicy::SecondChance(Default::default());
        assert_eq!(read("\"second-chance\""), Ok(chance));
        let setting = clock::Settings { insert_referenced: false, bits: 2 };
        let clock = read("{ bits = 2, policy = \"clock\", insert_referenced = false }");
        assert_eq!(clock, Ok(ReclaimPolicy::Clock(setting)));
        let tau = ReclaimPolicy::WsClock(wsclock::Settings { tau: Some(7) });
        for policy in ReclaimPolicy::all().chain([ReclaimPolicy::Clock(setting), tau]) {
            let text = toml::to_string(&Wrapper { reclaim: policy }).unwrap();
            assert_eq!(toml::from_str::<Wrapper>(&text).unwrap().reclaim, policy);
        }
    }

    #[test]
    fn shares_may_be_whole_numbers() {
        let policy = read("{ policy = \"2q\", kin = 1, kout = 0.5 }");
        let setting = two_queues::Settings { kin: 1.0, kout: 0.5 };
        assert_eq!(policy, Ok(ReclaimPolicy::TwoQueues(setting)));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(read("\"mglru\"").unwrap_err().contains("not modelled yet"));
        assert!(read("\"clok\"").unwrap_err().contains("`clock`"));
        assert!(
            read("{ policy = \"lru\", bits = 1 }").unwrap_err().contains("no parameter `bits`")
        );
        assert!(read("{ policy = \"clock\", bits = 9 }").unwrap_err().contains("1 to 8"));
        assert!(read("{ bits = 1 }").unwrap_err().contains("policy"));
        assert!(read("{ policy = \"2q\", kin = 1.5 }").unwrap_err().contains("from 0 to 1"));
        assert!(read("{ policy = \"2q\", kin = nan }").unwrap_err().contains("from 0 to 1"));
        assert!(read("{ policy = \"aging\", tick = 0 }").unwrap_err().contains("from 1"));
        assert!(read("{ policy = \"arc\", p = 1 }").unwrap_err().contains("parameters: none"));
    }
}
