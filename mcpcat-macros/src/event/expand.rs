//! Writes an annotated function. Each form below says with `Input:` and `Output:` what becomes of it.
//!
//! Generated names start with `__` and are hygienic, so that the user's body sees none of them but the callsite's.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::Attribute;

use super::args::{Args, Verdict};
use super::function::{Function, inner_attributes, plain_ident};
use super::returns::{Knows, Output, Returns};
use crate::callsite::{self, Callsite, Kind, Name};
use crate::entry::mentions;
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

/// What a function of the runtime begins with.
#[derive(Clone, Copy)]
enum Begun {
    /// The callsite: nothing is captured.
    Bare,
    /// `__call`, with what was captured in it.
    Call,
}

/// What the forms need.
struct Parts<'a> {
    krate: Krate,
    args: &'a Args,
    /// Statements that make `__call`, declare the callsite and capture the named values.
    item: TokenStream,
    body: TokenStream,
    body_span: Span,
}

/// Writes the function. `prefix` is the name of the `impl` block's events, or its type's path.
pub(crate) fn function(args: &Args, function: &Function, prefix: Option<&Name>) -> syn::Result<TokenStream> {
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
    let (inner, body) = inner_attributes(function.body.stream());
    let parts = Parts { krate, args, item, body, body_span: function.body.span() };
    let tracks_caller = function.attrs.iter().any(|attr| attr.path().is_ident("track_caller"));
    let body = match Returns::of(&function.sig, tracks_caller) {
        Returns::Async(output) => parts.asynchronous(&output, &fields),
        Returns::Boxed { output, whole } => parts.boxed(&output, &whole, &fields),
        Returns::ImplFuture(output) => parts.opaque_future(&output, &fields),
        Returns::Plain { output, may_be_future } => parts.plain(&output, may_be_future, &fields),
        Returns::InPlace(why) => parts.in_place(why, &fields)?,
    };
    let Function { attrs, vis, default, sig, .. } = function;
    let mut group = Group::new(Delimiter::Brace, quote_spanned!(Span::mixed_site()=> #inner #body));
    group.set_span(here(function.body.span()));
    Ok(quote_spanned!(Span::mixed_site()=> #(#attrs)* #vis #default #sig #group))
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
    /// Output:  async fn charge(id: Id) -> Result<Receipt, Error> {
    ///              callsite! { + "::charge" "F\n\np\"id\":\n" }
    ///              let mut __call = Call::start(&__MCPCAT_CALLSITE);
    ///              if let Some(fields) = __call.fields() { fields.values(&__MCPCAT_CALLSITE, &[&id]); }
    ///              let __body = async move {
    ///                  if false { return never::<Result<Receipt, Error>>(); }
    ///                  { body }
    ///              };
    ///              run_future(__call, of::<Result<Receipt, Error>>().described().error(), __body).await
    ///          }
    /// ```
    /// Without captures it is `run_future_bare(&__MCPCAT_CALLSITE, …)`. What looks at the value has a closure at the end:
    /// `finished(__call, __body, |__call, __ret| { … })`.
    fn asynchronous(&self, output: &Output, fields: &[callsite::Field]) -> TokenStream {
        let (start, begun) = self.begin(output, fields);
        let finish = self.finish_block(output, begun);
        quote_spanned!(Span::mixed_site()=> #start #finish)
    }

    /// Runs the body in an `async` block and ends the call. What the user's own verdict captures should not live across
    /// an `await`, so it is asked behind it.
    fn finish_block(&self, output: &Output, begun: Begun) -> TokenStream {
        let span = Span::mixed_site();
        let krate = &self.krate;
        let block = self.async_block(output);
        if self.args.verdict.is_some() || matches!(output, Output::Never) {
            return self.finish(output, quote_spanned!(span=> __call.scope(#block).await));
        }
        let allow = (output.knows() == Knows::Nothing)
            .then(|| quote_spanned!(span=> #[allow(clippy::async_yields_async)]));
        let (name, value) = match allow {
            Some(allow) => {
                (quote_spanned!(span=> __body), Some(quote_spanned!(span=> #allow let __body = #block;)))
            }
            None => (block, None),
        };
        if let Some(ask) = self.ask(output) {
            let (run, first) = self.runs(begun, &ask, true);
            let ask = ask.argument();
            return quote_spanned!(span=> #value #krate::#run(#first, #ask #name).await);
        }
        let mutable = self.args.response.map(|_| quote_spanned!(span=> mut));
        let response = self.response(&quote_spanned!(span=> __ret));
        let outcome = self.outcome(&quote_spanned!(span=> __ret), output);
        quote_spanned! {span=>
            #value
            #krate::finished(__call, #name, |#mutable __call, __ret| {
                #response
                __call.finish(#outcome);
            }).await
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
        let body = self.body_block();
        match output {
            Output::Type(ty) | Output::Unnamed(ty) => {
                quote_spanned!(span=> async move { if false { return #krate::never::<#ty>(); } #body })
            }
            Output::Unit | Output::Never => quote_spanned!(span=> async move #body),
        }
    }

    /// The user's statements in braces that errors can point at and that no lint looks at.
    fn body_block(&self) -> TokenStream {
        let mut group = Group::new(Delimiter::Brace, self.body.clone());
        group.set_span(here(self.body_span));
        group.into_token_stream()
    }

    /// ```text
    /// Input:   fn charge(id: Id) -> Result<Receipt, Error> { body }
    /// Output:  fn charge(id: Id) -> Result<Receipt, Error> {
    ///              (as above)
    ///              run(__call, of::<Result<Receipt, Error>>().described().error(), move || -> Result<Receipt, Error> { body })
    ///          }
    ///
    /// Input:   #[event(response)] fn charge(id: Id) -> u8 { body }
    /// Output:  … { (as above)
    ///              let __ret = __call.scope_sync(move || -> u8 { body });
    ///              (the response)
    ///              __call.finish(None);
    ///              __ret
    ///          }
    /// ```
    fn plain(&self, output: &Output, may_be_future: bool, fields: &[callsite::Field]) -> TokenStream {
        let span = Span::mixed_site();
        if may_be_future {
            return self.perhaps_future(output, fields);
        }
        let (start, begun) = self.begin(output, fields);
        let closure = self.closure(output);
        let krate = &self.krate;
        let run = match self.ask(output) {
            Some(ask) => {
                let (run, first) = self.runs(begun, &ask, false);
                let ask = ask.argument();
                quote_spanned!(span=> #krate::#run(#first, #ask #closure))
            }
            None => self.end(output, quote_spanned!(span=> __call.scope_sync(#closure)), true),
        };
        quote_spanned!(span=> #start #run)
    }

    fn closure(&self, output: &Output) -> TokenStream {
        let body = self.body_block();
        let ret = match output {
            Output::Type(ty) | Output::Unnamed(ty) => quote_spanned!(Span::mixed_site()=> -> #ty),
            Output::Unit | Output::Never => quote_spanned!(Span::mixed_site()=> -> ()),
        };
        quote_spanned!(Span::mixed_site()=> move || #ret #body)
    }

    /// A type that could be an alias of a boxed future is finished by method resolution: a boxed future is boxed again
    /// with its call around it, any other value ends the call.
    ///
    /// ```text
    /// Input:   fn charge(id: Id) -> Reply { body }
    /// Output:  fn charge(id: Id) -> Reply {
    ///              (as above)
    ///              let __ret: Reply = __call.scope_sync(move || -> Reply { body });
    ///              Ended(__ret).end(__call, |__call, __ret| __call.finish(outcome of __ret))
    ///          }
    /// ```
    fn perhaps_future(&self, output: &Output, fields: &[callsite::Field]) -> TokenStream {
        let span = Span::mixed_site();
        let krate = &self.krate;
        let start = self.start("start", fields);
        let closure = self.closure(output);
        let ty = match output {
            Output::Type(ty) | Output::Unnamed(ty) => ty.to_token_stream(),
            Output::Unit | Output::Never => quote_spanned!(span=> ()),
        };
        let outcome = self.outcome(&quote_spanned!(span=> __ret), output);
        let response = self.response(&quote_spanned!(span=> __ret));
        let mutable = self.args.response.map(|_| quote_spanned!(span=> mut));
        quote_spanned! {span=>
            #start
            let __ret: #ty = __call.scope_sync(#closure);
            {
                #[allow(unused_imports, clippy::wildcard_imports)]
                use #krate::ended::*;
                Ended(__ret).end(__call, |#mutable __call, __ret| {
                    #response
                    __call.finish(#outcome);
                })
            }
        }
    }

    /// A tail of `Box::pin(async move { … })` is timed inside, any other body is run and what it returns is boxed again.
    ///
    /// ```text
    /// Input:   fn charge(id: Id) -> Pin<Box<dyn Future<Output = R>>> { Box::pin(async move { body }) }
    /// Output:  … { static …; let mut __call = Call::deferred(&__MCPCAT_CALLSITE); (captures)
    ///              Box::pin(async move { __call.begin(); let __ret: R = __call.scope(async move { body }).await; … }) }
    ///
    /// Input:   fn charge(id: Id) -> BoxFuture<R> { body }
    /// Output:  … { (as above)
    ///              let __future: BoxFuture<R> = immediately(move || -> BoxFuture<R> { body });
    ///              Box::pin(async move { __call.begin(); let __ret: R = __call.scope(__future).await; … }) }
    /// ```
    fn boxed(&self, output: &Output, whole: &syn::Type, fields: &[callsite::Field]) -> TokenStream {
        let span = Span::mixed_site();
        let krate = &self.krate;
        let start = self.start("deferred", fields);
        if let Some(tail) = Tail::of(&self.body) {
            let Tail { leading, function, block } = tail;
            let inner = Parts {
                krate: self.krate.clone(),
                args: self.args,
                item: TokenStream::new(),
                body_span: block.span(),
                body: block.stream(),
            };
            let finish = inner.finish_block(output, Begun::Call);
            return quote_spanned! {span=> #start #(#leading)* #function(async move { __call.begin(); #finish }) };
        }
        let body = self.body_block();
        let finish = self.finish(output, quote_spanned!(span=> __call.scope(__future).await));
        quote_spanned! {span=>
            #start
            let __future: #whole = #krate::immediately(move || -> #whole #body);
            #krate::std::boxed::Box::pin(async move { __call.begin(); #finish })
        }
    }

    /// ```text
    /// Input:   fn charge(id: Id) -> impl Future<Output = R> { body }
    /// Output:  … { (as above)
    ///              let __future = immediately_future(move || { body });
    ///              async move { __call.begin(); let __ret: R = __call.scope(__future).await; … } }
    /// ```
    fn opaque_future(&self, output: &Output, fields: &[callsite::Field]) -> TokenStream {
        let span = Span::mixed_site();
        let krate = &self.krate;
        let start = self.start("deferred", fields);
        let body = self.body_block();
        let ty = match output {
            Output::Type(ty) | Output::Unnamed(ty) => ty.to_token_stream(),
            Output::Unit => quote_spanned!(span=> ()),
            Output::Never => quote_spanned!(span=> _),
        };
        let finish = self.finish(output, quote_spanned!(span=> __call.scope(__future).await));
        quote_spanned! {span=>
            #start
            let __future = #krate::immediately_future::<_, #ty>(move || #body);
            async move { __call.begin(); #finish }
        }
    }

    /// The body cannot be moved: a guard beside it tells a panic from an end. Its events have no children.
    ///
    /// ```text
    /// Input:   #[track_caller] fn charge(id: Id) -> R { body }
    /// Output:  … { static …; let mut __call = Call::start(&__MCPCAT_CALLSITE); (captures)
    ///              let __call = __call.guard();
    ///              { body } }
    /// ```
    fn in_place(&self, why: &str, fields: &[callsite::Field]) -> syn::Result<TokenStream> {
        let span = Span::mixed_site();
        let refused = |at, word| {
            let message =
                format!("`{word}` looks at the returned value, which cannot be had of a function that {why}");
            syn::Error::new(at, message)
        };
        if let Some(at) = self.args.response {
            return Err(refused(at, "response"));
        }
        match &self.args.verdict {
            Some(Verdict::OkIf(by)) => return Err(refused(syn::spanned::Spanned::span(by), "ok_if")),
            Some(Verdict::ErrorIf(by)) => return Err(refused(syn::spanned::Spanned::span(by), "error_if")),
            None => {}
        }
        let start = self.start("start", fields);
        let body = self.body_block();
        Ok(quote_spanned!(span=> #start let __call = __call.guard(); #body))
    }

    /// The callsite, with the call if something is captured in it; and what the call is made of.
    fn begin(&self, output: &Output, fields: &[callsite::Field]) -> (TokenStream, Begun) {
        let bare = fields.is_empty() && self.args.message.is_none() && self.args.session.is_none();
        if bare && self.ask(output).is_some() {
            (self.item.clone(), Begun::Bare)
        } else {
            (self.start("start", fields), Begun::Call)
        }
    }

    /// The function of the runtime that runs a body, and its first argument.
    fn runs(&self, begun: Begun, ask: &Ask, future: bool) -> (syn::Ident, TokenStream) {
        let span = Span::mixed_site();
        let (bare, first) = match begun {
            Begun::Bare => {
                let site = callsite::ident();
                ("_bare", quote_spanned!(span=> &#site))
            }
            Begun::Call => ("", quote_spanned!(span=> __call)),
        };
        let verb = if matches!(ask, Ask::Nothing) { "pass" } else { "run" };
        let future = if future { "_future" } else { "" };
        (syn::Ident::new(&format!("{verb}{future}{bare}"), span), first)
    }

    /// The callsite, the call and what is captured at entry.
    fn start(&self, how: &str, fields: &[callsite::Field]) -> TokenStream {
        let span = Span::mixed_site();
        let krate = &self.krate;
        let site = callsite::ident();
        let item = &self.item;
        let how = syn::Ident::new(how, span);
        let session = self.args.session.as_ref().map(|session| {
            let at = here(syn::spanned::Spanned::span(session));
            quote_spanned!(at=> if #krate::enabled() { __call.session(#session); })
        });
        let message = self
            .args
            .message
            .as_ref()
            .map(|text| quote_spanned!(span=> __fields.message(&#krate::format_args!(#text));));
        let values = (!fields.is_empty()).then(|| {
            let values = self.args.captured.iter().zip(fields).map(|((_, _, value), field)| {
                let cfgs = &field.cfgs;
                let recorded = value.recorded(krate, value.reference());
                quote_spanned!(span=> #(#cfgs)* #recorded)
            });
            quote_spanned!(span=> __fields.values(&#site, &[#(#values),*]);)
        });
        let captured = (values.is_some() || message.is_some()).then(|| {
            quote_spanned! {span=>
                if let #krate::Some(__fields) = __call.fields() { #values #message }
            }
        });
        let deferred = how == "deferred";
        let mutable = (deferred || session.is_some() || captured.is_some() || self.args.response.is_some())
            .then(|| quote_spanned!(span=> mut));
        quote_spanned! {span=>
            #item
            let #mutable __call = #krate::Call::#how(&#site);
            #session
            #captured
        }
    }

    /// Runs the call and ends it with what it returned.
    fn finish(&self, output: &Output, run: TokenStream) -> TokenStream {
        self.end(output, run, false)
    }

    /// The same. `typed` if what runs says its type already.
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
                let ty = match output {
                    Output::Type(_) | Output::Unnamed(_) if typed => None,
                    Output::Type(ty) | Output::Unnamed(ty) => Some(quote_spanned!(span=> : #ty)),
                    _ => Some(quote_spanned!(span=> : ())),
                };
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
        let (function, not) = match &self.args.verdict {
            None => return found,
            Some(Verdict::OkIf(function)) => (function, Some(quote_spanned!(span=> !))),
            Some(Verdict::ErrorIf(function)) => (function, None),
        };
        let at = here(syn::spanned::Spanned::span(function));
        let krate_at = krate.located_at(at);
        let verdict = quote_spanned!(at=> #krate_at::probe::judge_with(#ret, #function));
        quote_spanned!(span=> #krate::probe::judged(#ret, #found, #not #verdict))
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
    fn of(body: &TokenStream) -> Option<Self> {
        let mut statements = syn::parse::Parser::parse2(syn::Block::parse_within, body.clone()).ok()?;
        let Some(syn::Stmt::Expr(syn::Expr::Call(call), None)) = statements.pop() else { return None };
        let leading: TokenStream = statements.iter().map(ToTokens::to_token_stream).collect();
        if !call.attrs.is_empty() || mentions(leading.clone(), "return") || has_question(leading) {
            return None;
        }
        let syn::Expr::Path(function) = &*call.func else { return None };
        let mut path = function.path.segments.iter().rev();
        if path.next()?.ident != "pin" || path.next()?.ident != "Box" {
            return None;
        }
        let [syn::Expr::Async(block)] = call.args.iter().collect::<Vec<_>>()[..] else { return None };
        if block.capture.is_none() || !block.attrs.is_empty() {
            return None;
        }
        let block = match block.block.to_token_stream().into_iter().next()? {
            TokenTree::Group(block) => block,
            _ => return None,
        };
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
