//! Places for the connections of admin servers and control sockets: so many at once, and none for whoever only sits.
//!
//! A client that connects and then says nothing, or reads nothing, would keep others out for as long as it may stay. So when all
//! places are taken, a fresh connection gets that of the one that has been there longest and is not being answered.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// The connections of one server. Dropping it ends them.
pub(crate) struct Places {
    max: usize,
    /// The oldest first.
    taken: VecDeque<Taken>,
    /// Told when an answer is made, or a connection ends.
    news: Arc<Notify>,
}

struct Taken {
    at_work: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

/// A connection's place, for it to say when it is at work.
#[derive(Clone)]
pub(crate) struct Place {
    at_work: Arc<AtomicBool>,
    news: Arc<Notify>,
}

/// As long as it lives, the connection keeps its place.
pub(crate) struct AtWork<'p>(&'p Place);

impl Places {
    /// So many places, all free.
    pub(crate) fn new(max: usize) -> Places {
        Places { max, taken: VecDeque::new(), news: Arc::new(Notify::new()) }
    }

    /// Gives a connection a place, and runs it there; its future is dropped when somebody else gets the place. Waits only while
    /// all connections are at work.
    pub(crate) async fn give<F: Future<Output = ()> + Send + 'static>(&mut self, converse: impl FnOnce(Place) -> F) {
        loop {
            self.taken.retain(|taken| !taken.task.is_finished());
            if self.taken.len() < self.max {
                break;
            }
            let idle = self.taken.iter().position(|taken| !taken.at_work.load(Ordering::Relaxed));
            if let Some(idle) = idle.and_then(|idle| self.taken.remove(idle)) {
                idle.task.abort();
                break;
            }
            // Whoever ends its work after the look above has left a note here.
            self.news.notified().await;
        }
        let place = Place { at_work: Arc::default(), news: Arc::clone(&self.news) };
        let at_work = Arc::clone(&place.at_work);
        self.taken.push_back(Taken { at_work, task: tokio::spawn(converse(place)) });
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        self.taken.iter().for_each(|taken| taken.task.abort());
    }
}

impl Place {
    /// Keeps the place until what this gives is dropped.
    pub(crate) fn work(&self) -> AtWork<'_> {
        self.at_work.store(true, Ordering::Relaxed);
        AtWork(self)
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.at_work.store(false, Ordering::Relaxed);
        self.0.news.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;
    use tokio::sync::{mpsc, oneshot};

    /// Says which connection ended, when its future is dropped.
    struct Ends(u32, mpsc::UnboundedSender<u32>);

    impl Drop for Ends {
        fn drop(&mut self) {
            let _ = self.1.send(self.0);
        }
    }

    #[tokio::test]
    async fn a_fresh_one_gets_the_place_of_the_oldest_idle_one() {
        let (ends, mut ended) = mpsc::unbounded_channel();
        let mut places = Places::new(3);
        let (begun, begins) = oneshot::channel();
        let (end_work, work_ends) = oneshot::channel::<()>();
        let end = Ends(0, ends.clone());
        places
            .give(move |place| async move {
                let _end = end;
                let _work = place.work();
                begun.send(()).unwrap();
                let _ = work_ends.await;
            })
            .await;
        begins.await.unwrap();
        for id in 1..=4 {
            let end = Ends(id, ends.clone());
            places
                .give(|_| async move {
                    let _end = end;
                    pending().await
                })
                .await;
        }
        // The one at work is the oldest, and stays.
        assert_eq!((ended.recv().await, ended.recv().await), (Some(1), Some(2)));
        end_work.send(()).unwrap();
        assert_eq!(ended.recv().await, Some(0));
        drop(places);
        let mut left = [ended.recv().await, ended.recv().await];
        left.sort();
        assert_eq!(left, [Some(3), Some(4)]);
    }

    #[tokio::test]
    async fn while_all_are_at_work_it_waits_for_one() {
        let mut places = Places::new(1);
        let (begun, begins) = oneshot::channel();
        let (end_work, work_ends) = oneshot::channel::<()>();
        places
            .give(|place| async move {
                let work = place.work();
                begun.send(()).unwrap();
                let _ = work_ends.await;
                drop(work);
                pending().await
            })
            .await;
        begins.await.unwrap();
        let (came, comes) = oneshot::channel();
        let mut next = Box::pin(places.give(|_| async move { came.send(()).unwrap() }));
        let waited = tokio::select! {
            biased;
            () = &mut next => false,
            () = tokio::task::yield_now() => true,
        };
        assert!(waited, "the place was taken from one at work");
        end_work.send(()).unwrap();
        next.await;
        comes.await.unwrap();
    }
}
