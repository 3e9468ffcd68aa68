//! The ways of requests through the caches, worked out once: which miss registers are taken where, and
//! when a request is answered or goes to memory.
//!
//! A miss register is held from the miss to the fill, at every level that the miss passes: at the first
//! from when the request begins, further down from when it has looked there in vain. Latencies are
//! load-to-use from the first level, so a level's own time is not added to the next one's.
//!
//! A line comes back over the links of the caches between where it was found and where the request entered.
//! Each is a server that takes one line after another; waiting for a free link aside, its time is part of
//! the latencies.
//!
//! A line out of another CPU's cache is answered some time after the last level has been looked up, and comes
//! back as one from memory does. An upgrade asks the others from the level that has the line.

use crate::outcome::{MEMORY, PEER};

use super::ideal::Component;
use super::latencies::Path;

/// What a cache has for each CPU where it is private, and once where it is shared.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// The cache, as its index in the configuration's list.
    cache: u16,
    /// All ones for a private cache, 0 for a shared one.
    private: u16,
}

impl Place {
    /// Of a cache by its index.
    pub(super) fn new(cache: u16, shared: bool) -> Self {
        Self { cache, private: if shared { 0 } else { u16::MAX } }
    }

    /// Where the cache's is in a list of all caches of one CPU after another, for the CPU whose caches begin
    /// at `first`.
    #[inline]
    pub(super) fn of(self, first: u16) -> usize {
        usize::from(self.cache + (first & self.private))
    }
}

/// A level that a request passes and whose miss registers can run out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stop {
    /// Whose registers.
    pub(super) place: Place,
    /// Slots from the request's beginning, waiting for registers aside.
    pub(super) after: u64,
}

/// A link from a cache to the level above it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    /// Whose link.
    pub(super) place: Place,
    /// Slots that it takes for a line of that level.
    pub(super) slots: u64,
}

/// The way of a request from where it enters a path to where the line is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Route {
    /// Its stops in the list of all: the first, and the one after the last.
    pub(super) stops: (u16, u16),
    /// Its links in the list of all, from the top down; the last is taken first.
    pub(super) links: (u16, u16),
    /// Slots from the request's beginning until it is answered or goes to memory.
    pub(super) latency: u64,
    /// Whether it goes to memory.
    pub(super) to_memory: bool,
    /// Whether it can have to wait for a register before it has looked anywhere.
    pub(super) stops_at_once: bool,
}

/// The routes that begin at one place, by [`crate::outcome::Outcome::served`].
#[derive(Debug, Clone)]
pub(super) struct Entrance(Box<[u16; 256]>);

impl Entrance {
    #[inline]
    pub(super) fn route(&self, served: u8) -> u16 {
        self.0[usize::from(served)]
    }
}

/// All routes of a machine.
#[derive(Debug, Clone)]
pub(super) struct Routes {
    stops: Vec<Stop>,
    links: Vec<Link>,
    routes: Vec<Route>,
    pub(super) data: Entrance,
    /// Upgrades, by the cache that has the line.
    pub(super) upgrade: Entrance,
    pub(super) fetch: Entrance,
    /// Page-table reads.
    pub(super) walk: Entrance,
    /// What prefetchers ask for, by the cache that it goes into.
    prefetch: Vec<Entrance>,
}

impl Routes {
    /// Those of the paths of data and of fetches, of `caches` caches, where page-table reads enter the former
    /// at `walk_entry`, and another CPU answers in `peer` slots. A perfect memory has answered when it is asked.
    pub(super) fn new(
        data: &Path,
        fetch: &Path,
        (walk_entry, caches): (usize, usize),
        peer: u64,
        perfect: Option<Component>,
    ) -> Self {
        let mut all = List { peer, ..List::default() };
        // Below a cache that is on both paths they are the same.
        let into = |cache: usize| {
            let at = |path: &Path| path.caches.iter().position(|k| usize::from(*k) == cache);
            at(data).map(|first| (data, first)).or_else(|| at(fetch).map(|first| (fetch, first)))
        };
        let prefetch = (0..caches).map(|cache| {
            let (path, first) = into(cache).unwrap_or((data, 0));
            all.entrance(path, first)
        });
        let prefetch = prefetch.collect();
        let (upgrade, data, fetch, walk) = (
            all.upgrades(data),
            all.entrance(data, 0),
            all.entrance(fetch, 0),
            all.entrance(data, walk_entry),
        );
        let List { stops, links, mut routes, .. } = all;
        if perfect == Some(Component::Dram) {
            routes.iter_mut().for_each(|route| route.to_memory = false);
        }
        Self { stops, links, routes, data, upgrade, fetch, walk, prefetch }
    }

    /// The route of what is prefetched into a cache.
    #[inline]
    pub(super) fn prefetch(&self, into: u8, served: u8) -> u16 {
        // Only caches that there are prefetch.
        self.prefetch[usize::from(into)].route(served)
    }

    #[inline]
    pub(super) fn get(&self, route: u16) -> &Route {
        // Only an entrance names routes.
        &self.routes[usize::from(route)]
    }

    /// A stop by its index in the list of all.
    #[inline]
    pub(super) fn stop(&self, index: u16) -> Stop {
        self.stops[usize::from(index)]
    }

    /// A link by its index in the list of all.
    #[inline]
    pub(super) fn link(&self, index: u16) -> Link {
        self.links[usize::from(index)]
    }
}

/// What routes are made of.
#[derive(Default)]
struct List {
    stops: Vec<Stop>,
    links: Vec<Link>,
    routes: Vec<Route>,
    /// Slots until another CPU answers.
    peer: u64,
}

impl List {
    /// Adds the routes that enter `path` at `first`, of which there is one to each cache from there on, one
    /// to memory, and one to another CPU. They share their stops and links: a longer one has those of the
    /// shorter ones, and more.
    fn entrance(&mut self, path: &Path, first: usize) -> Entrance {
        // A path has at most 253 caches, each with an entrance for what is prefetched into it that has no
        // routes to those above, and four more: fewer than 2^16 stops, links and routes.
        let (first_stop, first_route) = (self.stops.len() as u16, self.routes.len() as u16);
        let first_link = self.links.len() as u16;
        let stops_at_once = path.levels.get(first).is_some_and(|level| level.scarce);
        let end = path.caches.len();
        for target in first..=end {
            let level = path.levels.get(target);
            if let Some(level) = level.filter(|_| target > first)
                && let Some(slots) = level.link
            {
                self.links.push(Link { place: path.place(target), slots });
            }
            let latency = level.map_or(path.miss(first), |level| level.latency);
            self.routes.push(Route {
                stops: (first_stop, self.stops.len() as u16),
                links: (first_link, self.links.len() as u16),
                latency,
                to_memory: target == end,
                stops_at_once: stops_at_once && target > first,
            });
            if let Some(level) = level.filter(|level| level.scarce) {
                let after = if target == first { 0 } else { level.latency };
                self.stops.push(Stop { place: path.place(target), after });
            }
        }
        if let Some(&missed) = self.routes.last() {
            let latency = missed.latency.saturating_add(self.peer);
            self.routes.push(Route { latency, to_memory: false, ..missed });
        }
        let to = |target: usize| first_route + (target.max(first) - first) as u16;
        let mut by_served = Box::new([0; 256]);
        for (served, route) in (0..=u8::MAX).zip(by_served.iter_mut()) {
            *route = to(path.position(served));
        }
        by_served[usize::from(PEER)] = to(end + 1);
        Entrance(by_served)
    }

    /// Adds the routes of upgrades of lines that a cache of `path` has: a register is held there and above
    /// until the others have answered.
    fn upgrades(&mut self, path: &Path) -> Entrance {
        let entrance = self.entrance(path, 0);
        let mut by_served = entrance.0.clone();
        for (target, &cache) in path.caches.iter().enumerate() {
            let found = self.routes[usize::from(entrance.route(cache))];
            let next = path.caches.get(target + 1).copied().unwrap_or(MEMORY);
            let below = self.routes[usize::from(entrance.route(next))];
            by_served[usize::from(cache)] = self.routes.len() as u16;
            let latency = found.latency.saturating_add(self.peer);
            let stops_at_once = below.stops_at_once;
            self.routes.push(Route { stops: below.stops, stops_at_once, latency, ..found });
        }
        Entrance(by_served)
    }
}
