//! What a policy must know of the protocol.

use std::fmt;

use tidegate::policy::{Attempt, Op, Quota, StopReason, Verdict};

/// Tells a policy what requests and their outcomes mean.
///
/// [`HttpJudge`](crate::HttpJudge) is the one for HTTP; [`judge_fn`] makes one of two closures.
pub trait Judge<Req, Res, Err> {
    /// What the policy must know before the first attempt: above all whether the request may be repeated.
    fn op(&self, request: &Req) -> Op;

    /// What the outcome of an attempt means. A response whose class is [`Ok`](tidegate::policy::Class::Ok) ends the call.
    fn verdict(&self, outcome: Result<&Res, &Err>) -> Verdict;

    /// Changes the request of one attempt at its send, for instance to say how much time is left.
    ///
    /// By default nothing is changed.
    fn prepare(&self, request: &mut Req, attempt: &Attempt) {
        let _ = (request, attempt);
    }

    /// What a response, of whatever class, says of the caller's quota. By default nothing.
    fn quota(&self, response: &Res) -> Option<Quota> {
        let _ = response;
        None
    }

    /// Marks a response that was judged bad and goes to the caller all the same, with why it was not tried again.
    ///
    /// By default it is not marked.
    fn stopped(&self, response: &mut Res, why: StopReason) {
        let _ = (response, why);
    }
}

/// Makes a [`Judge`] of two closures: what a request is, and what an outcome means.
///
/// # Examples
///
/// ```
/// use tidegate::policy::{Op, Verdict};
/// use tidegate_tower::{Judge, judge_fn};
///
/// let judge = judge_fn(
///     |_key: &String| Op::idempotent(),
///     |outcome: Result<&u32, &std::io::Error>| match outcome {
///         Ok(_) => Verdict::ok(),
///         Err(_) => Verdict::transient(),
///     },
/// );
/// assert_eq!(judge.verdict(Ok(&1)), Verdict::ok());
/// ```
pub fn judge_fn<Req, Res, Err, O, V>(op: O, verdict: V) -> JudgeFn<O, V>
where
    O: Fn(&Req) -> Op,
    V: Fn(Result<&Res, &Err>) -> Verdict,
{
    JudgeFn { op, verdict }
}

/// Made by [`judge_fn`].
#[derive(Clone, Copy)]
pub struct JudgeFn<O, V> {
    op: O,
    verdict: V,
}

impl<Req, Res, Err, O, V> Judge<Req, Res, Err> for JudgeFn<O, V>
where
    O: Fn(&Req) -> Op,
    V: Fn(Result<&Res, &Err>) -> Verdict,
{
    fn op(&self, request: &Req) -> Op {
        (self.op)(request)
    }

    fn verdict(&self, outcome: Result<&Res, &Err>) -> Verdict {
        (self.verdict)(outcome)
    }
}

impl<O, V> fmt::Debug for JudgeFn<O, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JudgeFn").finish_non_exhaustive()
    }
}
