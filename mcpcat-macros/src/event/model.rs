//! What `#[event(…)]` was told: the arguments, and which events are published.

use proc_macro2::Span;
use quote::ToTokens as _;
use syn::{Expr, LitStr};

use crate::callsite::{Field, Place};
use crate::krate::Krate;
use crate::value::Value;

/// What the arguments may stand on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    Function,
    /// A method of an annotated `impl` block.
    Method,
    Block,
}

/// All arguments, checked.
#[derive(Default, Clone)]
pub(crate) struct Args {
    pub(crate) krate: Option<Krate>,
    pub(crate) name: Option<LitStr>,
    /// The values to capture at entry, each with its place; in the order in which they were written.
    pub(crate) captured: Vec<(Place, CapturedKey, std::rc::Rc<Value>)>,
    pub(crate) response: Option<Span>,
    pub(crate) message: Option<LitStr>,
    pub(crate) session: Option<Expr>,
    pub(crate) verdict: Option<Verdict>,
    pub(crate) rule: Rule,
    pub(crate) skip: Option<Span>,
}

/// The key of a captured value.
#[derive(Clone)]
pub(crate) struct CapturedKey {
    pub(crate) text: String,
    pub(crate) span: Span,
}

/// Who decides the outcome instead of the type.
#[derive(Clone)]
pub(crate) enum Verdict {
    OkIf(Expr),
    ErrorIf(Expr),
}

/// Which events are published.
#[derive(Default, Clone)]
pub(crate) struct Rule {
    pub(crate) on_error: bool,
    pub(crate) slow_micros: Option<u64>,
    pub(crate) sample: Option<f64>,
}

impl Args {
    /// The declared fields, in the order of `captured`.
    pub(crate) fn fields(&self) -> Vec<Field> {
        self.captured
            .iter()
            .map(|(place, key, _)| Field {
                place: *place,
                key: key.text.clone(),
                span: key.span,
                redacted: false,
                cfgs: Vec::new(),
            })
            .collect()
    }

    /// Whether a captured value is awaited, which only the function itself can do.
    pub(crate) fn awaits(&self) -> bool {
        self.captured
            .iter()
            .any(|(_, _, value)| crate::entry::mentions(value.expr.to_token_stream(), "await"))
    }

    /// What an `impl` block says for a method that does not say it itself.
    pub(crate) fn inherit(&mut self, block: &Args) {
        self.krate = self.krate.take().or_else(|| block.krate.clone());
        self.session = self.session.take().or_else(|| block.session.clone());
        self.rule.on_error |= block.rule.on_error;
        self.rule.slow_micros = self.rule.slow_micros.or(block.rule.slow_micros);
        self.rule.sample = self.rule.sample.or(block.rule.sample);
        for (place, key, value) in &block.captured {
            let twin = |(p, k, _): &(Place, CapturedKey, _)| p == place && k.text == key.text;
            if !self.captured.iter().any(twin) {
                self.captured.push((*place, key.clone(), value.clone()));
            }
        }
    }
}

impl Rule {
    /// The words behind the callsite's kind.
    pub(crate) fn text(&self) -> String {
        let on_error = if self.on_error { " error" } else { "" };
        let slow = self.slow_micros.map(|micros| format!(" slow={micros}")).unwrap_or_default();
        let sample = self.sample.map(|share| format!(" sample={share}")).unwrap_or_default();
        format!("{on_error}{slow}{sample}")
    }
}
