//! Writes an annotated function. Each form below says with `Input:` and `Output:` what becomes of it.
//!
//! Generated names start with `__` and are hygienic, so that the user's body sees none of them but the callsite's.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::Attribute;

use super::function::{Function, inner_attributes, plain_ident};
use super::model::{Args, Verdict};
use super::params::Params;
use super::returns::{Knows, Output, Returns};
use super::validate;
use crate::callsite::{self, Callsite, Kind, Name};
use crate::entry::mentions;
use crate::group::bare_expr;
use crate::krate::Krate;
use crate::value::here;

/// What a returned value is asked.
enum Ask {
    Nothing,
    /// An expression of a function of `&R`.
    By(TokenStream),
}

impl Ask {
    /// As an argument, with its comma.
    fn argument(&self) -> Option<TokenStream> {
        match self {
            Ask::Nothing => None,
            Ask::By(ask) => Some(quote_spanned!(Span::mixed_site()=> #ask,)),
        }
    }
}

/// Where a function stands, as far as it can be told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Site {
    /// Annotated by itself: a free function, or a method of any block.
    Alone,
    /// A member of an annotated `impl` of a type's own.
    Inherent,
    /// A member of an annotated `impl` of a trait.
    Trait,
}

/// Where the named values are captured, and the call is made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Capture {
    /// Nothing is; the runtime makes the call.
    Nothing,
    /// At the beginning of the body, which asks for the fields; the runtime makes the call.
    InBody,
    /// Before the body, in `__call`.
    Before,
}

/// What the value of a body in braces is.
enum Braced<'a> {
    Of(&'a Output),
    A(&'a syn::Type),
    /// Of a type without a name.
    Something,
}

/// What the forms need.
struct Parts<'a> {
    krate: Krate,
    args: &'a Args,
    /// The callsite's static.
    item: TokenStream,
    body: Group,
    fields: &'a [callsite::Field],
    /// What moves the parameters into the body.
    moves: TokenStream,
    capture: Capture,
}

/// Writes the function. `prefix` is the name of the `impl` block's events, or its type's path.
pub(crate) fn function(
    args: &Args,
    function: &Function,
    prefix: Option<&Name>,
    site: Site,
) -> syn::Result<TokenStream> {
    let krate = args.krate.clone().unwrap_or_default();
    let ident = plain_ident(&function.sig);
    let name = match (&args.name, prefix) {
        (Some(name), _) => Name::Is(name.clone()),
        (None, Some(Name::Is(prefix))) => {
            Name::Is(syn::LitStr::new(&format!("{}.{ident}", prefix.value()), prefix.span()))
        }
        (None, Some(Name::InModule(path))) => Name::InModule(format!("{path}::{ident}")),
        (None, None) => Name::InModule(ident),
    };
    let mut fields = args.fields();
    for field in &mut fields {
        field.cfgs = cfgs_of(function, &field.key);
    }
    let item = Callsite {
        kind: Kind::Function,
        name,
        fields: &fields,
        rule: args.rule.text(),
        doc: crate::docs::first_paragraph(&function.attrs),
    }
    .item(&krate);
    let (inner, body) = inner_attributes(&function.body);
    let tracks_caller = function.attrs.iter().any(|attr| attr.path().is_ident("track_caller"));
    let returns = Returns::of(&function.sig, tracks_caller);
    let captures = !fields.is_empty() || args.message.is_some();
    let capture = match &returns {
        _ if args.session.is_some() || args.verdict.is_some() || args.awaits() => Capture::Before,
        // What is done with the value is written out behind the body, if its type has no name.
        Returns::Plain { output: Output::Unnamed(_), .. } => Capture::Before,
        Returns::Plain { .. } if args.response.is_some() => Capture::Before,
        Returns::Async(Output::Never) => Capture::Before,
        Returns::Async(_) | Returns::Plain { may_be_future: false, .. } if captures => Capture::InBody,
        Returns::Async(_) | Returns::Plain { may_be_future: false, .. } => Capture::Nothing,
        _ => Capture::Before,
    };
    let Params { mut sig, moves } = match (&returns, capture) {
        // The body stays where its parameters are.
        (Returns::InPlace(_), _) => Params { sig: function.sig.clone(), moves: TokenStream::new() },
        (_, Capture::Before) => Params::outside(&function.sig),
        _ => Params::inside(&function.sig),
    };
    let in_place = matches!(returns, Returns::InPlace(_));
    let mut parts = Parts { krate, args, item, body, fields: &fields, moves, capture };
    let body = match returns {
        Returns::Async(output) if capture != Capture::Before && returns_future(function, &output, site) => {
            parts.future_instead(&mut sig, &output)
        }
        Returns::Async(output) => parts.asynchronous(&output),
        Returns::Boxed { output, whole } => {
            if let Some(tail) = Tail::of(&parts.body) {
                // Its statements stay where they are, and so do the parameters.
                sig = function.sig.clone();
                parts.moves = TokenStream::new();
                parts.boxed_tail(&output, tail)
            } else {
                parts.boxed(&output, &whole)
            }
        }
        Returns::ImplFuture(output) => parts.opaque_future(&output),
        Returns::Plain { output, may_be_future } => parts.plain(&output, may_be_future),
        Returns::InPlace(why) => parts.in_place(why)?,
    };
    let Function { attrs, vis, default, .. } = function;
    let mut group = Group::new(Delimiter::Brace, quote_spanned!(Span::mixed_site()=> #inner #body));
    // A body that stays in place ends the function, by the rules of its own edition.
    let span = function.body.span();
    group.set_span(if in_place { span } else { here(span) });
    Ok(quote_spanned!(Span::mixed_site()=> #(#attrs)* #vis #default #sig #group))
}

/// Whether an `async fn` may be written as a function that returns the future: one layer less around each body, which is
/// what the compiler's recursion limit counts. Only where nobody can tell: not in a trait or its `impl`, and not where
/// another attribute, which may look for `async`, still waits for its turn.
fn returns_future(function: &Function, output: &Output, site: Site) -> bool {
    const INERT: [&str; 11] = [
        "doc",
        "allow",
        "warn",
        "deny",
        "forbid",
        "expect",
        "cfg",
        "inline",
        "cold",
        "deprecated",
        "automatically_derived",
    ];
    const TOOLS: [&str; 2] = ["clippy", "rustfmt"];
    let inert = |attr: &Attribute| {
        let path = attr.path();
        INERT.iter().any(|name| path.is_ident(name))
            || (path.segments.len() > 1 && TOOLS.iter().any(|tool| path.segments[0].ident == tool))
    };
    let sig = &function.sig;
    let has_receiver = matches!(sig.inputs.first(), Some(syn::FnArg::Receiver(_)));
    let method = has_receiver || mentions(sig.to_token_stream(), "Self");
    let inherent = match site {
        Site::Inherent => true,
        Site::Alone => !method || !matches!(function.vis, syn::Visibility::Inherited),
        Site::Trait => false,
    };
    inherent
        && function.default.is_none()
        && sig.abi.is_none()
        && function.attrs.iter().all(inert)
        && matches!(output, Output::Unit | Output::Type(_))
}

/// The conditions on the parameter that a captured value is.
fn cfgs_of(function: &Function, key: &str) -> Vec<Attribute> {
    function
        .sig
        .inputs
        .iter()
        .filter_map(|input| match input {
            syn::FnArg::Typed(typed) => match &*typed.pat {
                syn::Pat::Ident(pat) if pat.ident == key => Some(&typed.attrs),
                _ => None,
            },
            syn::FnArg::Receiver(_) => None,
        })
        .flatten()
        .filter(|attr| attr.path().is_ident("cfg"))
        .cloned()
        .collect()
}

impl Parts<'_> {
    /// ```text
    /// Input:   async fn charge(id: Id) -> Result<Receipt, Error> { body }
    /// Output:  fn charge(id: Id) -> impl Future<Output = Result<Receipt, Error>> {
    ///              callsite! { + "::charge" "F\n\np\"id\":\n" }
    ///              run_future(
    ///                  Captured(&__MCPCAT_CALLSITE),
    ///                  of::<Result<Receipt, Error>>().described().error(),
    ///                  async move {
    ///                      if false { return never::<Result<Receipt, Error>>(); }
    ///                      let id = id;
    ///                      if let Some(mut fields) = entry() { fields.values(&__MCPCAT_CALLSITE, &[&id]); }
    ///                      if false { never::<Result<Receipt, Error>>() } else { body }
    ///                  },
    ///              )
    ///          }
    /// ```
    /// The `impl` has this crate's edition, 2024, so it captures what an `async fn` captures in every edition.
    /// Without captures the callsite stands alone. What looks at the value has a closure at the end:
    /// `end_future(&__MCPCAT_CALLSITE, __body, |__call, __ret| { … })`.
    fn future_instead(&self, sig: &mut syn::Signature, output: &Output) -> TokenStream {
        let span = Span::mixed_site();
        let krate = &self.krate;
        let ty = output.ty();
        sig.asyncness = None;
        // Where a lint about the function finds it without the attribute.
        let here = span.located_at(sig.ident.span());
        let arrow = syn::Token![->](here);
        let future = quote_spanned!(here=> impl #krate::core::future::Future<Output = #ty>);
        sig.output = syn::ReturnType::Type(arrow, Box::new(syn::Type::Verbatim(future)));
        let item = &self.item;
        let future = self.future(output, &self.begins(), self.async_block(output));
        quote_spanned!(span=> #item #future)
    }

    /// Where the function has to stay an `async fn`: the same, awaited.
    fn asynchronous(&self, output: &Output) -> TokenStream {
        let span = Span::mixed_site();
        let start = self.start("start");
        let block = self.async_block(output);
        if self.args.verdict.is_some() || matches!(output, Output::Never) {
            // What the user's own verdict captures should not live across an `await`, so it is asked behind it.
            let finish = self.end(output, quote_spanned!(span=> __call.scope(#block).await), false);
            return quote_spanned!(span=> #start #finish);
        }
        let future = self.future(output, &self.begins(), block);
        quote_spanned!(span=> #start #future.await)
    }

    /// A future that runs another and ends the call with what it comes to.
    fn future(&self, output: &Output, begin: &TokenStream, body: TokenStream) -> TokenStream {
        let span = Span::mixed_site();
        let krate = &self.krate;
        let ask = self.ask(output);
        let call = match &ask {
            Some(Ask::Nothing) => {
                |krate: &Krate, begin: &TokenStream, _: Option<TokenStream>, body: TokenStream| quote_spanned!(Span::mixed_site()=> #krate::pass_future(#begin, #body))
            }
            Some(Ask::By(_)) => {
                |krate: &Krate, begin: &TokenStream, ask: Option<TokenStream>, body: TokenStream| quote_spanned!(Span::mixed_site()=> #krate::run_future(#begin, #ask #body))
            }
            None => {
                |krate: &Krate, begin: &TokenStream, end: Option<TokenStream>, body: TokenStream| quote_spanned!(Span::mixed_site()=> #krate::end_future(#begin, #body, #end))
            }
        };
        let argument = match &ask {
            Some(ask) => ask.argument(),
            None => Some(self.ending(output)),
        };
        if output.knows() == Knows::Nothing {
            // Its output may be a future, which clippy takes for a mistake.
            let call = call(krate, begin, argument, quote_spanned!(span=> __body));
            return quote_spanned! {span=>
                { #[allow(clippy::async_yields_async)] let __body = #body; #call }
            };
        }
        call(krate, begin, argument, body)
    }

    /// What ends a call with a value that more is done with than asking it.
    fn ending(&self, output: &Output) -> TokenStream {
        let span = Span::mixed_site();
        let mutable = self.args.response.map(|_| quote_spanned!(span=> mut));
        let response = self.response(&quote_spanned!(span=> __ret));
        let outcome = self.outcome(&quote_spanned!(span=> __ret), output);
        quote_spanned!(span=> |#mutable __call, __ret| { #response __call.finish(#outcome); })
    }

    /// What the runtime's functions begin with.
    fn begins(&self) -> TokenStream {
        let span = Span::mixed_site();
        let krate = &self.krate;
        let site = callsite::ident();
        match self.capture {
            Capture::Nothing => quote_spanned!(span=> &#site),
            Capture::InBody => quote_spanned!(span=> #krate::Captured(&#site)),
            Capture::Before => quote_spanned!(span=> __call),
        }
    }

    /// What a returned value is asked, if that is all that is done with it and its type can be named.
    fn ask(&self, output: &Output) -> Option<Ask> {
        let span = Span::mixed_site();
        let krate = &self.krate;
        if self.args.verdict.is_some() || self.args.response.is_some() {
            return None;
        }
        let (first, rest) = match (output, output.knows()) {
            (_, Knows::Success) => return Some(Ask::Nothing),
            (Output::Type(_), Knows::OnlyFailure) => {
                (quote_spanned!(span=> of), quote_spanned!(span=> failure()))
            }
            (Output::Type(_), Knows::Name) => {
                (quote_spanned!(span=> named), quote_spanned!(span=> described().error()))
            }
            (Output::Type(_), Knows::Nothing) => {
                (quote_spanned!(span=> of), quote_spanned!(span=> described().error()))
            }
            _ => return None,
        };
        let Output::Type(ty) = output else { return None };
        Some(Ask::By(quote_spanned!(span=> #krate::probe::#first::<#ty>().#rest)))
    }

    /// An `async` block that says what it returns, as an `async fn` does by its signature.
    fn async_block(&self, output: &Output) -> TokenStream {
        let span = Span::mixed_site();
        let krate = &self.krate;
        let hint = match output {
            Output::Type(ty) | Output::Unnamed(ty) => {
                Some(quote_spanned!(span=> if false { return #krate::never::<#ty>(); }))
            }
            Output::Unit | Output::Never => None,
        };
        if matches!(output, Output::Never) {
            let body = &self.body;
            return quote_spanned!(span=> async move #body);
        }
        let body = self.braced(hint, Braced::Of(output));
        quote_spanned!(span=> async move #body)
    }

    /// The user's statements in the user's braces, which say of which edition the block is: when the temporaries of its
    /// tail are dropped. With statements before it, it stands in a branch, at whose end they are dropped as at the end of a
    /// function: behind its own variables and before the parameters. A branch is also no place for lints about needless
    /// braces, and what stands behind one is not unreachable.
    fn braced(&self, first: Option<TokenStream>, value: Braced<'_>) -> TokenStream {
        let span = Span::mixed_site();
        let (moves, captures, body) = (&self.moves, self.captures_inside(), &self.body);
        if first.is_none() && moves.is_empty() && captures.is_none() {
            return body.to_token_stream();
        }
        let krate = &self.krate;
        let ty = match value {
            Braced::Of(output) => Some(output.ty()),
            Braced::A(ty) => Some(ty.to_token_stream()),
            Braced::Something => None,
        }
        .map(|ty| quote_spanned!(span=> ::<#ty>));
        quote_spanned! {span=>
            { #first #moves #captures if false { #krate::never #ty () } else #body }
        }
    }

    /// The captures at the beginning of the body.
    fn captures_inside(&self) -> Option<TokenStream> {
        if self.capture != Capture::InBody {
            return None;
        }
        let span = Span::mixed_site();
        let krate = &self.krate;
        let (values, message) = self.captured();
        Some(quote_spanned! {span=>
            if let #krate::Some(mut __fields) = #krate::entry() { #values #message }
        })
    }

    /// The statements that write the named values, and the message, into `__fields`.
    fn captured(&self) -> (Option<TokenStream>, Option<TokenStream>) {
        let span = Span::mixed_site();
        let krate = &self.krate;
        let site = callsite::ident();
        let message = self
            .args
            .message
            .as_ref()
            .map(|text| quote_spanned!(span=> __fields.message(&#krate::format_args!(#text));));
        let values = (!self.fields.is_empty()).then(|| {
            let values = self.args.captured.iter().zip(self.fields).map(|((place, _, value), field)| {
                let cfgs = &field.cfgs;
                let recorded = value.recorded(krate, *place, value.reference());
                quote_spanned!(span=> #(#cfgs)* #recorded)
            });
            quote_spanned!(span=> __fields.values(&#site, &[#(#values),*]);)
        });
        (values, message)
    }

    /// ```text
    /// Input:   fn charge(id: Id) -> Result<Receipt, Error> { body }
    /// Output:  fn charge(id: Id) -> Result<Receipt, Error> {
    ///              callsite! { … }
    ///              run(
    ///                  Captured(&__MCPCAT_CALLSITE),
    ///                  of::<Result<Receipt, Error>>().described().error(),
    ///                  move || -> Result<Receipt, Error> { (moves and captures) if false { never::<…>() } else { body } },
    ///              )
    ///          }
    ///
    /// Input:   #[event(response)] fn charge(id: Id) -> u8 { body }
    /// Output:  … { callsite! { … }
    ///              let mut __call = Call::start(&__MCPCAT_CALLSITE);
    ///              let __ret = __call.scope_sync(move || -> u8 { body });
    ///              (the response)
    ///              __call.finish(None);
    ///              __ret
    ///          }
    /// ```
    fn plain(&self, output: &Output, may_be_future: bool) -> TokenStream {
        let span = Span::mixed_site();
        let krate = &self.krate;
        if may_be_future {
            return self.perhaps_future(output);
        }
        let start = self.start("start");
        let closure = self.closure(output);
        let begin = self.begins();
        let run = match self.ask(output) {
            Some(Ask::Nothing) => quote_spanned!(span=> #krate::pass(#begin, #closure)),
            Some(ask) => {
                let ask = ask.argument();
                quote_spanned!(span=> #krate::run(#begin, #ask #closure))
            }
            None => self.end(output, quote_spanned!(span=> __call.scope_sync(#closure)), true),
        };
        quote_spanned!(span=> #start #run)
    }

    fn closure(&self, output: &Output) -> TokenStream {
        let body = self.braced(None, Braced::Of(output));
        let ty = output.ty();
        quote_spanned!(Span::mixed_site()=> move || -> #ty #body)
    }

    /// A type that could be an alias of a boxed future is finished by method resolution: a boxed future is boxed again
    /// with its call around it, any other value ends the call.
    ///
    /// ```text
    /// Input:   fn charge(id: Id) -> Reply { body }
    /// Output:  fn charge(id: Id) -> Reply {
    ///              callsite! { … }
    ///              let mut __call = Call::start(&__MCPCAT_CALLSITE);
    ///              (captures in `__call`)
    ///              let __ret: Reply = __call.scope_sync(move || -> Reply { body });
    ///              Ended(__ret).end(__call, |__call, __ret| __call.finish(outcome of __ret))
    ///          }
    /// ```
    fn perhaps_future(&self, output: &Output) -> TokenStream {
        let span = Span::mixed_site();
        let krate = &self.krate;
        let start = self.start("start");
        let closure = self.closure(output);
        let ty = output.ty();
        let ending = self.ending(output);
        quote_spanned! {span=>
            #start
            let __ret: #ty = __call.scope_sync(#closure);
            {
                #[allow(unused_imports, clippy::wildcard_imports)]
                use #krate::ended::*;
                Ended(__ret).end(__call, #ending)
            }
        }
    }

    /// A tail of `Box::pin(async move { … })` is timed inside.
    ///
    /// ```text
    /// Input:   fn charge(id: Id) -> Pin<Box<dyn Future<Output = R>>> { Box::pin(async move { body }) }
    /// Output:  … { callsite! { … } let mut __call = Call::deferred(&__MCPCAT_CALLSITE); (captures in `__call`)
    ///              Box::pin(run_future(__call, of::<R>().described().error(), async move { … { body } })) }
    /// ```
    fn boxed_tail(&mut self, output: &Output, tail: Tail) -> TokenStream {
        let span = Span::mixed_site();
        let start = self.start("deferred");
        let Tail { leading, function, block } = tail;
        self.body = block;
        let block = self.async_block(output);
        let future = self.deferred(output, block);
        quote_spanned!(span=> #start #(#leading)* #function(#future))
    }

    /// Any other body is run, and what it returns is boxed again.
    ///
    /// ```text
    /// Input:   fn charge(id: Id) -> BoxFuture<R> { body }
    /// Output:  … { (as above)
    ///              let __future: BoxFuture<R> = immediately(move || -> BoxFuture<R> { body });
    ///              Box::pin(run_future(__call, of::<R>().described().error(), __future)) }
    /// ```
    fn boxed(&self, output: &Output, whole: &syn::Type) -> TokenStream {
        let span = Span::mixed_site();
        let krate = &self.krate;
        let start = self.start("deferred");
        let body = self.braced(None, Braced::A(whole));
        let future = self.deferred(output, quote_spanned!(span=> __future));
        quote_spanned! {span=>
            #start
            let __future: #whole = #krate::immediately(move || -> #whole #body);
            #krate::std::boxed::Box::pin(#future)
        }
    }

    /// ```text
    /// Input:   fn charge(id: Id) -> impl Future<Output = R> { body }
    /// Output:  … { (as above)
    ///              let __future = immediately_future(move || { body });
    ///              run_future(__call, of::<R>().described().error(), __future) }
    /// ```
    fn opaque_future(&self, output: &Output) -> TokenStream {
        let span = Span::mixed_site();
        let krate = &self.krate;
        let start = self.start("deferred");
        let body = self.braced(None, Braced::Something);
        let ty = match output {
            Output::Never => quote_spanned!(span=> _),
            _ => output.ty(),
        };
        let future = self.deferred(output, quote_spanned!(span=> __future));
        quote_spanned! {span=>
            #start
            let __future = #krate::immediately_future::<_, #ty>(move || #body);
            #future
        }
    }

    /// The future of a call whose work begins when it is polled.
    fn deferred(&self, output: &Output, future: TokenStream) -> TokenStream {
        let span = Span::mixed_site();
        if self.args.verdict.is_some() || matches!(output, Output::Never) {
            let finish = self.end(output, quote_spanned!(span=> __call.scope(#future).await), false);
            return quote_spanned!(span=> async move { __call.begin(); #finish });
        }
        self.future(output, &self.begins(), future)
    }

    /// The body cannot be moved: a guard beside it tells a panic from an end. Its events have no children.
    ///
    /// ```text
    /// Input:   #[track_caller] fn charge(id: Id) -> R { body }
    /// Output:  … { callsite! { … } let mut __call = Call::start(&__MCPCAT_CALLSITE); (captures in `__call`)
    ///              let __call = __call.guard();
    ///              '__body: { body } }
    /// ```
    fn in_place(&self, why: &str) -> syn::Result<TokenStream> {
        let span = Span::mixed_site();
        validate::in_place(self.args, why)?;
        let start = self.start("start");
        // The label's span is the whole block's, which has to have the edition of the user's braces.
        let body = &self.body;
        let block = quote_spanned!(body.span()=> '__body: #body);
        Ok(quote_spanned!(span=> #start let __call = __call.guard(); #block))
    }

    /// The callsite, and the call with what is captured in it, if that is done before the body.
    fn start(&self, how: &str) -> TokenStream {
        let span = Span::mixed_site();
        let krate = &self.krate;
        let site = callsite::ident();
        let item = &self.item;
        if self.capture != Capture::Before {
            return item.clone();
        }
        let how = syn::Ident::new(how, span);
        let session = self.args.session.as_ref().map(|session| {
            let at = here(syn::spanned::Spanned::span(session));
            quote_spanned!(at=> if #krate::enabled() { __call.session(#session); })
        });
        let (values, message) = self.captured();
        let captured = (values.is_some() || message.is_some()).then(|| {
            quote_spanned! {span=>
                if let #krate::Some(__fields) = __call.fields() { #values #message }
            }
        });
        // Not all forms change it.
        quote_spanned! {span=>
            #item
            #[allow(unused_mut)]
            let mut __call = #krate::Call::#how(&#site);
            #session
            #captured
        }
    }

    /// Ends the call with what something that runs came to. `typed` if that says its type already.
    fn end(&self, output: &Output, run: TokenStream, typed: bool) -> TokenStream {
        let span = Span::mixed_site();
        let krate = &self.krate;
        match output {
            Output::Unit if self.args.response.is_none() && self.args.verdict.is_none() => {
                quote_spanned!(span=> #run; __call.finish(#krate::None);)
            }
            Output::Never => {
                quote_spanned! {span=>
                    #[allow(unreachable_code, clippy::diverging_sub_expression)]
                    { #run }
                }
            }
            Output::Unit | Output::Type(_) | Output::Unnamed(_) => {
                let ty = output.ty();
                let ty = (!typed || matches!(output, Output::Unit)).then(|| quote_spanned!(span=> : #ty));
                // Any other type may be a future's or a unit's alias, which clippy does not like to see in a `let`.
                let allow = (output.knows() == Knows::Nothing).then(
                    || quote_spanned!(span=> #[allow(clippy::async_yields_async, clippy::let_unit_value)]),
                );
                let response = self.response(&quote_spanned!(span=> &__ret));
                let outcome = self.outcome(&quote_spanned!(span=> &__ret), output);
                quote_spanned! {span=>
                    #allow
                    let __ret #ty = #run;
                    #response
                    __call.finish(#outcome);
                    __ret
                }
            }
        }
    }

    /// Records the value of a success.
    fn response(&self, ret: &TokenStream) -> Option<TokenStream> {
        let span = Span::mixed_site();
        let krate = &self.krate;
        let at = here(self.args.response?);
        let value = quote_spanned!(at=> __value);
        Some(quote_spanned! {span=>
            if let #krate::Some(__fields) = __call.fields() {
                if let #krate::Some(#value) = #krate::probe::within(#ret).success() {
                    __fields.response(#value);
                }
            }
        })
    }

    /// An expression of `Option<ErrorInfo>`.
    fn outcome(&self, ret: &TokenStream, output: &Output) -> TokenStream {
        let span = Span::mixed_site();
        let krate = &self.krate;
        let found = match output.knows() {
            Knows::Success => quote_spanned!(span=> #krate::None),
            Knows::OnlyFailure | Knows::Name | Knows::Nothing => {
                quote_spanned!(span=> #krate::probe::returned(#ret).described().error().of(#ret))
            }
        };
        let (function, error_when) = match &self.args.verdict {
            None => return found,
            Some(Verdict::OkIf(function)) => (function, false),
            Some(Verdict::ErrorIf(function)) => (function, true),
        };
        let at = here(syn::spanned::Spanned::span(function));
        let krate_at = krate.located_at(at);
        let answer = quote_spanned!(at=> #krate_at::probe::judge_with(#ret, #function));
        quote_spanned!(span=> #krate::probe::judged(#ret, #found, #error_when, #answer))
    }
}

/// A body that ends in `Box::pin(async move { … })`.
struct Tail {
    leading: Vec<syn::Stmt>,
    function: syn::Expr,
    block: Group,
}

impl Tail {
    /// `None` for any other body, and for one that may return before.
    fn of(body: &Group) -> Option<Self> {
        let mut statements = syn::parse::Parser::parse2(syn::Block::parse_within, body.stream()).ok()?;
        let Some(syn::Stmt::Expr(last, None)) = statements.pop() else { return None };
        let syn::Expr::Call(call) = bare_expr(&last) else { return None };
        let leading: TokenStream = statements.iter().map(ToTokens::to_token_stream).collect();
        if !call.attrs.is_empty() || mentions(leading.clone(), "return") || has_question(leading) {
            return None;
        }
        let syn::Expr::Path(function) = bare_expr(&call.func) else { return None };
        let mut path = function.path.segments.iter().rev();
        if path.next()?.ident != "pin" || path.next()?.ident != "Box" {
            return None;
        }
        let [syn::Expr::Async(block)] = call.args.iter().map(bare_expr).collect::<Vec<_>>()[..] else {
            return None;
        };
        if block.capture.is_none() || !block.attrs.is_empty() {
            return None;
        }
        let block = crate::group::braces(&block.block.to_token_stream().into_iter().next()?)?;
        Some(Self { leading: statements, function: (*call.func).clone(), block })
    }
}

/// Whether a `?` stands in the tokens.
fn has_question(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Punct(punct) => punct.as_char() == '?',
        TokenTree::Group(group) => has_question(group.stream()),
        _ => false,
    })
}
