//! Whether a session may be recorded at all. Asked once for each session, before anything of it is serialised;
//! whatever goes wrong means no.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;

use super::pool::Pool;
use super::{Asked, ConsentVerdict, DEADLINE, HookError, SLOTS};

type Answer = Result<bool, HookError>;
type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;

#[derive(Clone)]
enum Hook {
    Plain(Arc<dyn Fn(&Asked) -> Answer + Send + Sync>),
    Future(Arc<dyn Fn(Asked) -> Answering + Send + Sync>),
}

/// The hook, and how long it may take.
#[derive(Clone)]
pub(crate) struct Consent {
    hook: Hook,
    deadline: Duration,
    pool: Pool,
}

impl fmt::Debug for Consent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consent").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

/// Who is told that a hook failed, in words.
pub(crate) type Tell = Arc<dyn Fn(String) + Send + Sync>;

impl Consent {
    pub(crate) fn plain<V: ConsentVerdict>(hook: impl Fn(&Asked) -> V + Send + Sync + 'static) -> Self {
        Self::new(Hook::Plain(Arc::new(move |asked| hook(asked).into_verdict())))
    }

    pub(crate) fn future<F>(hook: impl Fn(Asked) -> F + Send + Sync + 'static) -> Self
    where
        F: Future + Send + 'static,
        F::Output: ConsentVerdict,
    {
        Self::new(Hook::Future(Arc::new(move |asked| {
            let answering = hook(asked);
            Box::pin(async move { answering.await.into_verdict() })
        })))
    }

    fn new(hook: Hook) -> Self {
        Self { hook, deadline: DEADLINE, pool: Pool::new(SLOTS) }
    }

    pub(crate) fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Whether a session consents, going by what `known` holds already. A plain hook is asked here and now, an
    /// asynchronous one on a thread of its own: until it has answered nobody consents.
    pub(crate) fn given(
        &self,
        known: &Arc<Known>,
        asked: impl FnOnce() -> Asked,
        tell: impl FnOnce() -> Tell,
    ) -> bool {
        if !known.begin() {
            return known.given();
        }
        let (asked, tell) = (asked(), tell());
        // Whoever names the session later asks again.
        let named = asked.id.is_some();
        match &self.hook {
            Hook::Plain(hook) => {
                let outcome = catch_unwind(AssertUnwindSafe(|| hook(&asked)));
                let given = judge(outcome.map_err(|_| "it panicked".to_owned()), &tell);
                known.end(given, named);
                given
            }
            Hook::Future(hook) => {
                let (hook, deadline) = (Arc::clone(hook), self.deadline);
                let answer_to = Arc::clone(known);
                let started = self.pool.start(move |runtime| {
                    // Made inside, so that it may set timers before it is polled.
                    let bounded = async {
                        let asking = AssertUnwindSafe(async move { hook(asked).await }).catch_unwind();
                        tokio::time::timeout(deadline, asking).await
                    };
                    let outcome = match runtime.block_on(bounded) {
                        Ok(Ok(answer)) => Ok(answer),
                        Ok(Err(_)) => Err("it panicked".to_owned()),
                        Err(_) => Err(format!("it took longer than {deadline:?}")),
                    };
                    answer_to.end(judge(outcome, &tell), named);
                });
                if !started {
                    // No slot is free: the session's next event asks again.
                    known.forget();
                }
                false
            }
        }
    }
}

fn judge(outcome: Result<Answer, String>, tell: &Tell) -> bool {
    let why = match outcome {
        Ok(Ok(given)) => return given,
        Ok(Err(error)) => crate::event::guard::text(&error, crate::event::guard::HELD_BYTES),
        Err(why) => why,
    };
    tell(format!("`consent` gave no answer, so the session is not recorded: {why}"));
    false
}

/// What is known of one session's consent.
#[derive(Debug, Default)]
pub(crate) struct Known(AtomicU8);

const UNASKED: u8 = 0;
const ASKING: u8 = 1;
const GIVEN: u8 = 2;
const REFUSED: u8 = 3;
/// Given before the session had a name.
const GIVEN_UNNAMED: u8 = 4;
const REFUSED_UNNAMED: u8 = 5;

impl Known {
    /// Whether the caller is the one that asks.
    fn begin(&self) -> bool {
        self.0.compare_exchange(UNASKED, ASKING, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn end(&self, given: bool, named: bool) {
        let state = match (given, named) {
            (true, true) => GIVEN,
            (false, true) => REFUSED,
            (true, false) => GIVEN_UNNAMED,
            (false, false) => REFUSED_UNNAMED,
        };
        // A session that was named meanwhile is asked anew.
        let _ = self.0.compare_exchange(ASKING, state, Ordering::AcqRel, Ordering::Acquire);
    }

    fn forget(&self) {
        self.0.store(UNASKED, Ordering::Release);
    }

    pub(crate) fn given(&self) -> bool {
        matches!(self.0.load(Ordering::Acquire), GIVEN | GIVEN_UNNAMED)
    }

    /// The session has a name now: what was said without it does not count any more.
    #[cfg(feature = "rmcp")]
    pub(crate) fn named(&self) {
        if !matches!(self.0.load(Ordering::Acquire), GIVEN | REFUSED) {
            self.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::sync::mpsc;

    fn asked(id: Option<&str>) -> Asked {
        let mut asked = Asked::default();
        asked.id = id.map(Into::into);
        asked
    }

    fn told() -> (Arc<Mutex<Vec<String>>>, Tell) {
        let told = Arc::<Mutex<Vec<String>>>::default();
        let tell = Arc::clone(&told);
        (told, Arc::new(move |why| tell.lock().unwrap().push(why)))
    }

    #[test]
    fn a_session_is_asked_once_and_every_failure_is_a_no() {
        let (told, tell) = told();
        let consent = Consent::plain(|asked: &Asked| match asked.id.as_deref() {
            Some("yes") => Ok(true),
            Some("no") => Ok(false),
            Some("error") => Err("no database"),
            _ => panic!("on purpose"),
        });
        for (id, given) in [("yes", true), ("no", false), ("error", false), ("panic", false)] {
            let known = Arc::default();
            for _ in 0..3 {
                assert_eq!(consent.given(&known, || asked(Some(id)), || Arc::clone(&tell)), given, "{id}");
            }
        }
        let told = told.lock().unwrap();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].contains("no database") && told[1].contains("panicked"));
    }

    #[test]
    fn a_name_asks_again() {
        let (_, tell) = told();
        let consent = Consent::plain(|asked: &Asked| asked.id.is_some());
        let known = Arc::new(Known::default());
        assert!(!consent.given(&known, || asked(None), || Arc::clone(&tell)));
        assert!(
            !consent.given(&known, || asked(Some("x")), || Arc::clone(&tell)),
            "not yet told of the name"
        );
        known.forget();
        assert!(consent.given(&known, || asked(Some("x")), || Arc::clone(&tell)));
    }

    #[test]
    fn until_a_future_has_answered_nobody_consents() {
        let (told, tell) = told();
        let (release, released) = mpsc::channel::<()>();
        let released = Arc::new(Mutex::new(released));
        let consent = Consent::future(move |asked: Asked| {
            let released = Arc::clone(&released);
            async move {
                match asked.id.as_deref() {
                    Some("late") => std::future::pending::<bool>().await,
                    Some("panic") => panic!("on purpose"),
                    _ => released.lock().unwrap().recv().is_ok(),
                }
            }
        })
        .deadline(Duration::from_millis(20));
        let known: Arc<Known> = Arc::default();
        assert!(!consent.given(&known, || asked(Some("yes")), || Arc::clone(&tell)));
        assert!(!consent.given(&known, || unreachable!("asked once"), || Arc::clone(&tell)));
        release.send(()).unwrap();
        while !consent.given(&known, || unreachable!("asked once"), || Arc::clone(&tell)) {
            std::thread::yield_now();
        }
        let failing: Vec<Arc<Known>> = ["late", "panic"]
            .into_iter()
            .map(|id| {
                let known = Arc::default();
                assert!(!consent.given(&known, || asked(Some(id)), || Arc::clone(&tell)));
                known
            })
            .collect();
        while told.lock().unwrap().len() < 2 {
            std::thread::yield_now();
        }
        assert!(failing.iter().all(|known| !known.given()));
    }
}
