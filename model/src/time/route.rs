//! The ways of requests through the caches, worked out once: which miss registers are taken where, and
//! when a request is answered or goes to memory.
//!
//! A miss register is held from the miss to the fill, at every level that the miss passes: at the first
//! from when the request begins, further down from when it has looked there in vain. Latencies are
//! load-to-use from the first level, so a level's own time is not added to the next one's.

use super::ideal::Component;
use super::latencies::Path;

/// A level that a request passes and whose miss registers can run out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stop {
    /// The cache, as its index in the configuration's list.
    pub(super) cache: u8,
    /// Slots from the request's beginning, waiting for registers aside.
    pub(super) after: u64,
}

/// The way of a request from where it enters a path to where the line is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Route {
    /// Its stops in the list of all: the first, and the one after the last.
    pub(super) stops: (u16, u16),
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
    routes: Vec<Route>,
    pub(super) data: Entrance,
    pub(super) fetch: Entrance,
    /// Page-table reads.
    pub(super) walk: Entrance,
    /// What prefetchers ask for, by the cache that it goes into.
    prefetch: Vec<Entrance>,
}

impl Routes {
    /// Those of the paths of data and of fetches, of `caches` caches, where page-table reads enter the former
    /// at `walk_entry`. A perfect memory has answered when it is asked.
    pub(super) fn new(
        data: &Path,
        fetch: &Path,
        walk_entry: usize,
        caches: usize,
        perfect: Option<Component>,
    ) -> Self {
        let (mut stops, mut routes) = (Vec::new(), Vec::new());
        let mut enter = |path: &Path, first| entrance(path, first, &mut stops, &mut routes);
        // Below a cache that is on both paths they are the same.
        let into = |cache: usize| {
            let at = |path: &Path| path.caches.iter().position(|k| usize::from(*k) == cache);
            at(data).map(|first| (data, first)).or_else(|| at(fetch).map(|first| (fetch, first)))
        };
        let prefetch = (0..caches).map(|cache| {
            let (path, first) = into(cache).unwrap_or((data, 0));
            enter(path, first)
        });
        let prefetch = prefetch.collect();
        let (data, fetch, walk) = (enter(data, 0), enter(fetch, 0), enter(data, walk_entry));
        if perfect == Some(Component::Dram) {
            routes.iter_mut().for_each(|route| route.to_memory = false);
        }
        Self { stops, routes, data, fetch, walk, prefetch }
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
}

/// Adds the routes that enter `path` at `first`, of which there is one to each cache from there on and
/// one to memory. They share their stops: a longer one has those of the shorter ones, and more.
fn entrance(path: &Path, first: usize, stops: &mut Vec<Stop>, routes: &mut Vec<Route>) -> Entrance {
    // A path has at most 253 caches and there are at most 257 entrances, of 255 routes each: fewer than 2^16
    // stops and routes.
    let (first_stop, first_route) = (stops.len() as u16, routes.len() as u16);
    let stops_at_once = path.scarce.get(first).copied().unwrap_or(false);
    let end = path.caches.len();
    for target in first..=end {
        let latency = path.latency.get(target).copied().unwrap_or(path.miss(first));
        routes.push(Route {
            stops: (first_stop, stops.len() as u16),
            latency,
            to_memory: target == end,
            stops_at_once: stops_at_once && target > first,
        });
        if path.scarce.get(target).copied().unwrap_or(false) {
            let after = if target == first { 0 } else { path.latency[target] };
            stops.push(Stop { cache: path.caches[target], after });
        }
    }
    let mut by_served = Box::new([0; 256]);
    for (served, route) in (0..=u8::MAX).zip(by_served.iter_mut()) {
        *route = first_route + (path.position(served).max(first) - first) as u16;
    }
    Entrance(by_served)
}
