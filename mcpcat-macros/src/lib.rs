//! The macros of `mcpcat`. Use them through the `mcpcat` crate.
//!
//! One room per macro, each in the order parse, model, expand; beside them what they share. All behaviour is in
//! functions of the runtime: what is generated here stays small, because every user's build pays for it.

mod callsite;
mod docs;
mod emit;
mod entry;
mod errors;
mod event;
mod event_data;
mod group;
mod krate;
mod names;
#[cfg(test)]
mod snapshot;
mod value;

/// Whether anything is recorded. A value and not a condition on code, so that one test run sees both.
const ENABLED: bool = cfg!(feature = "enable");

/// Records each call of a function as an event: its duration, its outcome and what you name.
///
/// ```text
/// #[mcpcat::event(name = "invoice.charge", params(customer, amount = cents.to_string()))]
/// async fn charge(customer: CustomerId, cents: Cents) -> Result<Receipt, ChargeError> { … }
/// ```
///
/// | argument | meaning |
/// |---|---|
/// | `name = "invoice.charge"` | the event's name; without it, the function's path |
/// | `params(a, total = a + b)` | parameters, serialised when the function is entered; `debug(x)` and `display(x)` record text |
/// | `tags(plan)`, `properties(seats = 3)` | the same, into the event's tags and properties |
/// | `response` | records the value of a success |
/// | `message = "charged {amount}"` | a format string over the arguments |
/// | `session = "self.session"` | an expression that says whose event it is; without it, the session of the running call |
/// | `ok_if = "path"`, `error_if = "path"` | a function or closure of `&ReturnType` that decides the outcome |
/// | `on = "error"` | publish failures only |
/// | `slow = "250ms"` | publish only what took at least this long; with `on = "error"`, failures as well |
/// | `sample = 0.1` | publish this share of what is left |
/// | `crate = "path"` | where `mcpcat` is, if it is renamed |
///
/// On an `impl` block it annotates each method that takes `self`: `name` is then a prefix, `#[event(skip)]` leaves a
/// method out and `#[event(…)]` on an associated function takes it in.
///
/// Three kinds of bodies stay where they are, since a closure around them would change them: those of `#[track_caller]`
/// functions, of functions that return closures (`-> impl Fn()`), and of those that never return (`-> !`). Their events
/// have duration and parameters, and a panic is an error; a value they return is not looked at and reads as a success
/// (so `response`, `ok_if` and `error_if` are refused there), and events raised inside are not nested under theirs.
///
/// The outcome is found by type: `Err` is an error, so is a `CallToolResult` that says so, and whatever implements
/// `Outcome`. In a generic function a `T` without an `Outcome` bound reads as a success. Put the attribute above
/// `#[tool]` and `#[prompt]`.
#[proc_macro_attribute]
pub fn event(args: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    event::expand(ENABLED, args.into(), item.into()).into()
}

/// The procedural half of `mcpcat::emit!`, which passes its own `$crate` first.
#[doc(hidden)]
#[proc_macro]
pub fn emit(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    emit::expand(ENABLED, input.into()).into()
}

/// The facade's hidden module, under the name that generated code looks for.
#[doc(hidden)]
#[proc_macro]
pub fn private(content: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let content = proc_macro2::TokenStream::from(content);
    let name = krate::private();
    // Seen by the facade's users, whose macros name it.
    let name = proc_macro2::Ident::new(&name.to_string(), proc_macro2::Span::call_site());
    quote::quote! {
        #[doc(hidden)]
        pub mod #name { #content }
    }
    .into()
}

/// Makes a struct or an enum an event: its fields are the parameters, its name (or an enum's variant) the event's name.
///
/// ```text
/// #[derive(EventData)]
/// #[event(name = "subscription_upgraded")]
/// struct Upgraded<'a> {
///     plan: &'a str,
///     #[event(tag)]
///     region: &'a str,
///     #[event(redact)]
///     email: &'a str,
/// }
/// ```
///
/// On the type: `name = "…"` (a struct), `prefix = "…"` (an enum), `rename_all = "camelCase"` (a struct's keys, an enum's
/// names), `rename_all_fields = "…"` (an enum's keys), `crate = "path"`. On a variant: `name = "…"`, `rename_all = "…"`.
///
/// On a field: `rename = "key"`, `skip`, `tag`, `property`, `redact` (the value is never serialised), `display`, `debug`,
/// `flatten` (a map or struct whose members become parameters), and the event's own fields `message`, `response`,
/// `duration`, `error`.
#[proc_macro_derive(EventData, attributes(event))]
pub fn event_data(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    event_data::expand(ENABLED, input.into()).into()
}
