//! Generates `const HOOKS`, the functions that run around each task and at the close, and the
//! function `service`, which runs the `#[init]`.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::{Ident, ReturnType, Type, WhereClause};

use crate::{
    ast::{Hook, Receiver, Set, Start},
    attr::{self, HookKind},
    expand::{check, doc, messages, trait_attrs},
    names,
};

/// Generates the constant. A set without hooks keeps the default.
pub(crate) fn constant(set: &Set) -> Option<TokenStream> {
    let krate = set.krate();
    let hooks: Vec<_> =
        set.hooks.iter().filter(|hook| hook.kind != HookKind::Init && !hook.kind.is_in_line()).collect();
    if hooks.is_empty() {
        return None;
    }
    let additions = hooks.into_iter().map(|hook| addition(set, hook));
    Some(quote! {
        const HOOKS: #krate::__private::Hooks<Self> = {
            let hooks = #krate::__private::Hooks::NONE;
            #(#additions)*
            hooks
        };
    })
}

/// Generates one hook, in the form that fits its signature.
fn addition(set: &Set, hook: &Hook) -> TokenStream {
    let cfgs = attr::cfgs(&hook.function.attrs);
    let (adds, hook) = match hook.kind {
        HookKind::Init | HookKind::OnMessage | HookKind::OnStream => return TokenStream::new(),
        HookKind::BeforeTask => (quote!(before), around_task(set, hook, &quote!(Before), &[])),
        HookKind::AfterTask => (quote!(after), around_task(set, hook, &quote!(After), &[quote!(outcome)])),
        HookKind::OnClose => (quote!(on_close), on_close(set, hook)),
    };
    quote! {
        #(#cfgs)*
        let hooks = hooks.#adds(#hook);
    }
}

fn around_task(set: &Set, hook: &Hook, kind: &TokenStream, more: &[TokenStream]) -> TokenStream {
    let (krate, path) = (set.krate(), set.path_to(&hook.function.sig.ident));
    let state = (hook.function.receiver() == Receiver::Shared).then(|| quote!(state));
    let parameters: Vec<_> = state.iter().cloned().chain([quote!(call)]).chain(more.iter().cloned()).collect();
    let is_async = hook.function.is_async();
    let form = match (state.is_some(), is_async) {
        (false, false) => quote!(Free),
        (true, false) => quote!(Shared),
        (false, true) => quote!(FreeAsync),
        (true, true) if set.is_shared() => quote!(SharedSendAsync),
        (true, true) => quote!(SharedAsync),
    };
    let into_result = of_output(set, hook, &quote!(HookOutput), "into_result");
    let body = match is_async {
        false => quote!(#into_result(#path(#(#parameters),*))),
        true => {
            let state = state.map(|state| quote!(&#state,));
            quote!(::std::boxed::Box::pin(async move { #into_result(#path(#state &call #(, #more)*).await) }))
        }
    };
    quote!(#krate::__private::#kind::#form(|#(#parameters),*| #body))
}

fn on_close(set: &Set, hook: &Hook) -> TokenStream {
    let (krate, path) = (set.krate(), set.path_to(&hook.function.sig.ident));
    let state = (hook.function.receiver() == Receiver::Owned).then(|| quote!(state));
    let (form, body) = match (state.is_some(), hook.function.is_async()) {
        (false, false) => (quote!(Free), quote!(#path())),
        (true, false) => (quote!(State), quote!(#path(#state))),
        (false, true) => (quote!(FreeAsync), quote!(::std::boxed::Box::pin(#path()))),
        (true, true) => (quote!(StateAsync), quote!(::std::boxed::Box::pin(#path(#state)))),
    };
    quote!(#krate::__private::OnClose::#form(|#state| #body))
}

/// Generates `service`. It takes the arguments of `#[init]`, or the state, or nothing.
pub(crate) fn service(set: &Set) -> TokenStream {
    let (vis, krate, this) = (set.vis(), set.krate(), set.this_here());
    let doc = doc(&format!("Returns the builder of a service of `{}`.", set.name()));
    let infallible =
        |args: &TokenStream| quote!(#krate::service::ServiceBuilder<#this, ::core::convert::Infallible, #args>);
    match set.start() {
        Start::Init(init) => service_of_init(set, init),
        Start::WithState => {
            let state = quote_spanned!(names::place_of(set.this())=> state);
            let (handed, body) = (handed(set), with_state(set, &state));
            let builder = infallible(&this.to_token_stream());
            quote! {
                #doc
                #vis fn service(state: #this) -> #builder #handed { #body }
            }
        }
        Start::Stateless => {
            let builder = infallible(&quote!(()));
            quote! {
                #doc
                #vis fn service() -> #builder {
                    #krate::service::ServiceBuilder::stateless()
                }
            }
        }
    }
}

/// Generates the builder of a service with this state.
fn with_state(set: &Set, state: &TokenStream) -> TokenStream {
    let krate = set.krate();
    let with_state = quote_spanned!(names::place_of(set.this())=> with_state(#state));
    quote!(#krate::service::ServiceBuilder::#with_state)
}

/// Generates `impl ServiceSet`, which makes a service from arguments that came as data, if the set
/// has `wire`.
pub(crate) fn service_set(set: &Set) -> Option<TokenStream> {
    let _ = set.options.wire.as_ref()?;
    let (attrs, krate, this, here) = (trait_attrs(set), set.krate(), set.this(), set.this_here());
    let (generics, given) = (set.generics(), names::local("args"));
    let infallible = quote!(::core::convert::Infallible);
    let (args, error, bound, body) = match set.start() {
        Start::Init(init) => {
            let error = of_output(set, init, &init_output(set), "Error");
            (check::arguments(set, &init.params), error, None, started_by(set, init, &given.to_token_stream()))
        }
        Start::WithState => {
            (here.to_token_stream(), infallible, handed(set), with_state(set, &given.to_token_stream()))
        }
        Start::Stateless => (quote!(()), infallible, None, quote!(#krate::service::ServiceBuilder::stateless())),
    };
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let bounds = where_of(where_clause, bound);
    let (event, inbox) = (messages::event(set), messages::inbox_of_service_set(set));
    // `#[init]` may be deprecated, and a set without a state has no use for the arguments.
    // The set may be deprecated, and no body uses its arguments: the build has failed already.
    Some(quote! {
        #attrs
        #[allow(deprecated, unused_variables)]
        impl #impl_generics #krate::service::ServiceSet for #this #bounds {
            type Args = #args;
            type Error = #error;
            type OutboxEvent = #event;
            fn service_of(#given: Self::Args) -> #krate::service::ServiceBuilder<Self, Self::Error, Self::Args> {
                #body
            }
            #inbox
        }
    })
}

/// Joins the bounds of a set with another `where`.
fn where_of(of_set: Option<&WhereClause>, further: Option<TokenStream>) -> TokenStream {
    match (of_set, further) {
        (Some(bounds), Some(further)) => {
            let further = further.into_iter().skip(1); // `where`
            let comma = (!bounds.predicates.trailing_punct()).then(|| quote!(,));
            let further = further.collect::<TokenStream>();
            quote!(#bounds #comma #further)
        }
        (bounds, further) => quote!(#bounds #further),
    }
}

/// Returns the bound of `service` that a caller has to meet. A generic set may have states that can
/// move between threads and states that cannot. If a task makes the state, the compiler says at
/// that task why the state cannot move, and does not repeat it here.
fn handed(set: &Set) -> Option<TokenStream> {
    let krate = set.krate();
    if !set.generics().params.is_empty() {
        return Some(quote!(where Self: #krate::__private::Handed));
    }
    check::maker(set).map(|_| quote!(where Self: for<'a> #krate::__private::HandedByCaller<'a>))
}

fn service_of_init(set: &Set, init: &Hook) -> TokenStream {
    let signature = signature_of_service(set, init);
    let names = init.params.iter().map(|param| &param.name);
    let body = started_by(set, init, &quote!((#(#names,)*)));
    quote!(#signature { #body })
}

/// Generates the builder of a service that `#[init]` starts with `given`, a tuple of its arguments.
fn started_by(set: &Set, init: &Hook, given: &TokenStream) -> TokenStream {
    let (krate, this, path) = (set.krate(), set.this_here(), set.path_to(&init.function.sig.ident));
    let cx = names::local("cx");
    let names: Vec<_> = init.params.iter().map(|param| &param.name).collect();
    let (takes_context, is_async) = (init.function.takes_context(), init.function.is_async());
    let context = takes_context.then(|| if is_async { quote!(&#cx,) } else { quote!(#cx,) });
    let bound = if takes_context { quote!(#cx) } else { quote!(_) };
    let into_result = of_output(set, init, &init_output(set), "into_result");
    let construct = match (set.is_module(), is_async) {
        (false, false) => quote!(init),
        (false, true) => quote!(init_async),
        (true, false) => quote!(init_stateless),
        (true, true) => quote!(init_stateless_async),
    };
    let arguments = quote!((#(#names,)*));
    let start = match is_async {
        false => quote!(|#bound: &#krate::Context<#this>, #arguments| #into_result(#path(#context #(#names),*))),
        true => quote! {
            |#bound: #krate::Context<#this>, #arguments| async move {
                #into_result(#path(#context #(#names),*).await)
            }
        },
    };
    quote!(#krate::service::ServiceBuilder::#construct(#given, #start))
}

/// Generates the signature of the `service` of an `#[init]`.
fn signature_of_service(set: &Set, init: &Hook) -> TokenStream {
    let (vis, krate, this) = (set.vis(), set.krate(), set.this_here());
    let attrs = attr::for_methods(&init.function.attrs);
    let doc = doc(&format!(
        "Returns the builder of a service of `{}`, which starts with `{}`.",
        set.name(),
        init.function.sig.ident
    ));
    let doc = (!attr::are_documented(&init.function.attrs)).then_some(doc);
    let params = init.params.iter().map(|param| {
        let (name, ty) = (&param.name, &param.ty);
        quote!(#name: #ty)
    });
    let error = of_output(set, init, &init_output(set), "Error");
    let args = check::arguments(set, &init.params);
    quote! {
        #(#attrs)*
        #doc
        #[allow(deprecated, clippy::used_underscore_binding)]
        #vis fn service(#(#params),*) -> #krate::service::ServiceBuilder<#this, #error, #args>
    }
}

/// Returns the trait of the types that an `#[init]` may return. There is one for a state, and one
/// for a module, which has no state.
fn init_output(set: &Set) -> TokenStream {
    let state = set.state();
    quote!(InitOutput<#state>)
}

/// Generates an item of `<Output as Trait>`. If the bound does not hold, the compiler points at the
/// user's output type.
fn of_output(set: &Set, hook: &Hook, output: &TokenStream, item: &str) -> TokenStream {
    let krate = set.krate();
    let ty = match hook.kind {
        HookKind::Init => check::init_output(set, hook),
        _ => hook.function.output().into_token_stream(),
    };
    let place = match &hook.function.sig.output {
        ReturnType::Type(_, ty) => names::place_of(ty),
        ReturnType::Default => names::quietly(hook.function.sig.ident.span()),
    };
    let item = Ident::new(item, place);
    quote_spanned!(place=> <#ty as #krate::__private::#output>::#item)
}

/// Generates a `service` that starts nothing.
pub(crate) fn inert_service(set: &Set) -> TokenStream {
    let (vis, krate, this) = (set.vis(), set.krate(), set.this_here());
    let params = match set.start() {
        Start::Init(init) => {
            let (names, types) =
                (init.params.iter().map(|param| &param.name), init.params.iter().map(|param| &param.ty));
            quote!(#(#names: #types),*)
        }
        Start::WithState => quote!(state: #this),
        Start::Stateless => TokenStream::new(),
    };
    let args = inert_args(set);
    quote! {
        /// Launches nothing: the build has failed.
        #[allow(unused_variables)]
        #vis fn service(#params) -> #krate::service::ServiceBuilder<#this, ::core::convert::Infallible, #args> {
            ::core::unimplemented!()
        }
    }
}

/// Returns the arguments of a `service` that starts nothing, as one type.
fn inert_args(set: &Set) -> TokenStream {
    match set.start() {
        // An argument of a refused type may be of any type.
        Start::Init(init) if init.params.iter().any(|param| matches!(param.ty, Type::ImplTrait(_))) => quote!(()),
        Start::Init(init) => {
            let types = init.params.iter().map(|param| &param.ty);
            quote!((#(#types,)*))
        }
        Start::WithState => set.this_here().to_token_stream(),
        Start::Stateless => quote!(()),
    }
}

/// Generates an `impl ServiceSet` that makes nothing, if the set has `wire`. Without it, the statement
/// that serves the set and each call in another process would be errors too.
pub(crate) fn inert_service_set(set: &Set) -> Option<TokenStream> {
    let _ = set.options.wire.as_ref()?;
    let (attrs, krate, this, generics) = (trait_attrs(set), set.krate(), set.this(), set.generics());
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let (args, event, inbox) = (inert_args(set), messages::event(set), messages::inert_inbox_of_service_set(set));
    // The set may be deprecated, and no body uses its arguments: the build has failed already.
    Some(quote! {
        #attrs
        #[allow(deprecated, unused_variables)]
        impl #impl_generics #krate::service::ServiceSet for #this #where_clause {
            type Args = #args;
            type Error = ::core::convert::Infallible;
            type OutboxEvent = #event;
            fn service_of(args: Self::Args) -> #krate::service::ServiceBuilder<Self, Self::Error, Self::Args> {
                ::core::unimplemented!()
            }
            #inbox
        }
    })
}
