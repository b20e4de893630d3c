//! What a signature says about the returned value: whether it is a future, of what, and whether the body may be moved
//! into a closure.

use crate::group::bare_type;
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, quote_spanned};
use syn::visit_mut::{self, VisitMut};
use syn::{GenericArgument, Path, PathArguments, ReturnType, Signature, Type, TypeParamBound};

/// How a function returns.
pub(crate) enum Returns {
    /// An `async fn`: the future's output.
    Async(Output),
    /// `-> Pin<Box<dyn Future<Output = R>>>`, `BoxFuture<R>`: both types.
    Boxed { output: Output, whole: Box<Type> },
    /// `-> impl Future<Output = R>`.
    ImplFuture(Output),
    /// A plain function that may run inside a closure. `may_be_future` if the type's name says nothing about it.
    Plain { output: Output, may_be_future: bool },
    /// A body that has to stay where it is, because the function does this.
    InPlace(&'static str),
}

/// The type of the value whose outcome counts.
pub(crate) enum Output {
    Unit,
    /// `!`: there never is one.
    Never,
    Type(Box<Type>),
    /// With each `impl Trait` replaced by `_`: no name for it.
    Unnamed(Box<Type>),
}

impl Returns {
    pub(crate) fn of(sig: &Signature, tracks_caller: bool) -> Self {
        let written = match &sig.output {
            ReturnType::Default => None,
            ReturnType::Type(_, ty) => Some(&**ty),
        };
        let output = Output::of(written);
        let ty = written.map(bare_type);
        if matches!(ty, Some(Type::ImplTrait(opaque)) if opaque.bounds.iter().any(is_closure)) {
            // A closure's own types are found through the function's return type alone.
            return Returns::InPlace("returns a closure");
        }
        if sig.asyncness.is_some() {
            return Returns::Async(output);
        }
        if tracks_caller {
            return Returns::InPlace("is `#[track_caller]`");
        }
        if matches!(output, Output::Never) {
            return Returns::InPlace("never returns");
        }
        let Some(ty) = ty else {
            return Returns::Plain { output, may_be_future: false };
        };
        match ty {
            Type::ImplTrait(opaque) => {
                if let Some(of) = opaque.bounds.iter().find_map(future_output) {
                    Returns::ImplFuture(Output::of(Some(of)))
                } else {
                    Returns::Plain { output, may_be_future: false }
                }
            }
            Type::Path(path) if path.qself.is_none() => match boxed_output(&path.path) {
                Some(of) => Returns::Boxed {
                    output: Output::of(Some(of)),
                    whole: Box::new(written.unwrap_or(ty).clone()),
                },
                None => Returns::Plain { output, may_be_future: may_be_future(&path.path) },
            },
            _ => Returns::Plain { output, may_be_future: false },
        }
    }
}

impl Output {
    fn of(ty: Option<&Type>) -> Self {
        match ty {
            None => Output::Unit,
            Some(ty) if is_unit(ty) => Output::Unit,
            Some(ty) if matches!(bare_type(ty), Type::Never(_)) => Output::Never,
            Some(ty) => {
                let mut ty = Box::new(ty.clone());
                let mut opaque = InferOpaque::default();
                opaque.visit_type_mut(&mut ty);
                if opaque.found { Output::Unnamed(ty) } else { Output::Type(ty) }
            }
        }
    }
}

fn is_unit(ty: &Type) -> bool {
    matches!(bare_type(ty), Type::Tuple(tuple) if tuple.elems.is_empty())
}

/// `impl Trait` has no place in a body.
#[derive(Default)]
struct InferOpaque {
    found: bool,
}

impl VisitMut for InferOpaque {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        if let Type::ImplTrait(opaque) = ty {
            self.found = true;
            let span = syn::spanned::Spanned::span(opaque);
            *ty = Type::Infer(syn::TypeInfer { attrs: Vec::new(), underscore_token: syn::Token![_](span) });
            return;
        }
        visit_mut::visit_type_mut(self, ty);
    }
}

/// `Future<Output = R>`, by any path.
fn future_output(bound: &TypeParamBound) -> Option<&Type> {
    let TypeParamBound::Trait(bound) = bound else { return None };
    let last = bound.path.segments.last().filter(|last| last.ident == "Future")?;
    let PathArguments::AngleBracketed(args) = &last.arguments else { return None };
    args.args.iter().find_map(|arg| match arg {
        GenericArgument::AssocType(output) if output.ident == "Output" => Some(&output.ty),
        _ => None,
    })
}

fn is_closure(bound: &TypeParamBound) -> bool {
    let TypeParamBound::Trait(bound) = bound else { return false };
    bound.path.segments.last().is_some_and(|last| {
        ["Fn", "FnMut", "FnOnce", "AsyncFn", "AsyncFnMut", "AsyncFnOnce"]
            .iter()
            .any(|name| last.ident == name)
    })
}

/// The output in `Pin<Box<dyn Future<Output = R>>>`, `BoxFuture<'_, R>` and `LocalBoxFuture<'_, R>`.
fn boxed_output(path: &Path) -> Option<&Type> {
    let last = path.segments.last()?;
    let PathArguments::AngleBracketed(args) = &last.arguments else { return None };
    let only_type = || {
        let mut types = args.args.iter().filter_map(|arg| match arg {
            GenericArgument::Type(ty) => Some(bare_type(ty)),
            _ => None,
        });
        types.next().filter(|_| types.next().is_none())
    };
    if last.ident == "BoxFuture" || last.ident == "LocalBoxFuture" {
        return only_type();
    }
    if last.ident != "Pin" {
        return None;
    }
    let Some(Type::Path(inner)) = only_type() else { return None };
    let inner = inner.path.segments.last().filter(|inner| inner.ident == "Box")?;
    let PathArguments::AngleBracketed(args) = &inner.arguments else { return None };
    args.args.iter().find_map(|arg| match arg {
        GenericArgument::Type(ty) => match bare_type(ty) {
            Type::TraitObject(object) => object.bounds.iter().find_map(future_output),
            _ => None,
        },
        _ => None,
    })
}

impl Output {
    /// The type as it is written in a body.
    pub(crate) fn ty(&self) -> TokenStream {
        match self {
            Output::Type(ty) | Output::Unnamed(ty) => ty.to_token_stream(),
            Output::Unit | Output::Never => quote_spanned!(Span::mixed_site()=> ()),
        }
    }

    /// What is known of the outcome from the type as it is written.
    pub(crate) fn knows(&self) -> Knows {
        match self {
            Output::Unit => Knows::Success,
            Output::Type(ty) => knows(ty),
            Output::Never | Output::Unnamed(_) => Knows::Nothing,
        }
    }
}

/// See [`Output::knows`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Knows {
    Nothing,
    /// A `Result` whose `Ok` is never a failure.
    OnlyFailure,
    /// It has the name of a type that is never a failure. Somebody's own type may have that name.
    Name,
    /// No value of the type is a failure, so nothing is asked: each question costs the user's build.
    Success,
}

/// Whether a type is one of the language's and the standard library's for which nobody can implement `Outcome`.
fn knows(ty: &Type) -> Knows {
    // The language's own: nobody gives a type such a name.
    const PRIMITIVE: [&str; 17] = [
        "bool", "char", "str", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128",
        "isize", "f32", "f64",
    ];
    const NAMES: [&str; 6] = ["String", "Vec", "HashMap", "HashSet", "BTreeMap", "BTreeSet"];
    match bare_type(ty) {
        Type::Reference(reference) => knows(&reference.elem),
        Type::Tuple(_) | Type::Array(_) | Type::Slice(_) => Knows::Success,
        Type::Path(path) if path.qself.is_none() => {
            let Some(last) = path.path.segments.last() else { return Knows::Nothing };
            let is_one_of = |names: &[&str]| names.iter().any(|name| last.ident == name);
            if path.path.segments.len() == 1 && is_one_of(&PRIMITIVE) {
                return Knows::Success;
            }
            if is_one_of(&NAMES) {
                return Knows::Name;
            }
            let PathArguments::AngleBracketed(args) = &last.arguments else { return Knows::Nothing };
            match args.args.iter().collect::<Vec<_>>()[..] {
                [GenericArgument::Type(ok), GenericArgument::Type(_)]
                    if last.ident == "Result" && knows(ok) == Knows::Success =>
                {
                    Knows::OnlyFailure
                }
                _ => Knows::Nothing,
            }
        }
        _ => Knows::Nothing,
    }
}

/// Whether a type could be an alias of a boxed future: not if its name is one of the usual others.
fn may_be_future(path: &Path) -> bool {
    const NEVER: [&str; 40] = [
        "Result",
        "Option",
        "Vec",
        "String",
        "Box",
        "Arc",
        "Rc",
        "Cow",
        "Self",
        "bool",
        "char",
        "str",
        "u8",
        "u16",
        "u32",
        "u64",
        "u128",
        "usize",
        "i8",
        "i16",
        "i32",
        "i64",
        "i128",
        "isize",
        "f32",
        "f64",
        "HashMap",
        "HashSet",
        "BTreeMap",
        "BTreeSet",
        "PathBuf",
        "Duration",
        "Instant",
        "Value",
        "Json",
        "CallToolResult",
        "ErrorData",
        "Ordering",
        "ExitCode",
        "Poll",
    ];
    path.segments.last().is_some_and(|last| !NEVER.iter().any(|name| last.ident == name))
}
