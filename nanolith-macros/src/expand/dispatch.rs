//! Generates `impl TaskSet for Geometry`, with the `match` that runs a task.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Ident, Type, Visibility, spanned::Spanned};

use crate::{
    ast::{Receiver, Set, Task},
    expand::{attrs, calls_over, check, errors, hooks, moves, phantom, task_info, trait_attrs},
    names,
};

/// Generates the whole `impl`.
pub(crate) fn task_set(set: &Set) -> TokenStream {
    let (hooks, info, duplicate, errors, run, boxed) =
        (hooks::constant(set), task_info::lookup(set), duplicate(set), errors::view(set), run(set), run_boxed(set));
    let moves = moves::constant(set);
    implementation(set, &quote! { #hooks #moves #info #duplicate #errors #run #boxed })
}

/// Generates an `impl` that runs nothing.
pub(crate) fn inert(set: &Set) -> TokenStream {
    let krate = set.krate();
    implementation(
        set,
        &quote! {
            fn task_info(_: &Self::Task) -> &'static #krate::task::TaskInfo {
                ::core::unimplemented!()
            }
            fn run(_: Self::Task, _: &mut #krate::__private::Scope<Self>) -> #krate::__private::Run<Self::Output> {
                ::core::unimplemented!()
            }
        },
    )
}

fn implementation(set: &Set, members: &TokenStream) -> TokenStream {
    let (attrs, krate, this, executor) = (trait_attrs(set), set.krate(), set.this(), &set.executor);
    let (types, shared, constants, calls) = (types(set), shared(set), task_info::constants(set), calls(set));
    let generics = set.generics();
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let (visible, types) = match witness(set) {
        Some(witness) => {
            let place = names::place_of(set.vis());
            let visible = quote!(<#witness as #krate::__private::Visible<Self>>);
            let by_witness = quote_spanned! { place=>
                type Task = #visible::Task;
                type Output = #visible::Output;
                type Calls<#executor> = #visible::Calls<#executor>;
            };
            (witnessed(set, &witness, &types), by_witness)
        }
        None => (TokenStream::new(), types),
    };
    // `allow(dead_code)` makes the compiler count the user's functions as used, though a private
    // set may have tasks that the program does not call.
    quote! {
        #visible
        #attrs
        #[allow(dead_code, deprecated, unreachable_code)]
        impl #impl_generics #krate::TaskSet for #this #where_clause {
            #types
            #shared
            #constants
            #members
            #calls
        }
    }
}

/// Generates the associated types for tasks, outputs and calls.
fn types(set: &Set) -> TokenStream {
    let (tasks, outputs, executor) = (check::tasks(set), check::outputs(set), &set.executor);
    let over_executor = calls_over(set, &quote!(#executor));
    quote! {
        type Task = #tasks;
        type Output = #outputs;
        type Calls<#executor> = #over_executor;
    }
}

/// Returns the type whose name is the error if the option `vis` is narrower than the visibility of
/// the set's own type. The compiler would report each of the types above; it reports this one in
/// their place, with the same words and span, and so only once.
fn witness(set: &Set) -> Option<Ident> {
    let may_be_narrower = !set.is_module() && !matches!(set.vis(), Visibility::Public(_));
    may_be_narrower.then(|| {
        let name = set.name();
        names::made("define_vis_cannot_be_narrower_than_that_of_", &name, set.vis().span())
    })
}

fn witnessed(set: &Set, witness: &Ident, types: &TokenStream) -> TokenStream {
    let (attrs, trait_attrs, krate, this, vis) = (attrs(set), trait_attrs(set), set.krate(), set.this(), set.vis());
    let generics = set.generics();
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    quote! {
        #[doc(hidden)]
        #attrs
        #vis struct #witness;

        #trait_attrs
        impl #impl_generics #krate::__private::Visible<#this> for #witness #where_clause {
            #types
        }
    }
}

/// Generates the part of the state that a call on a pool carries.
fn shared(set: &Set) -> TokenStream {
    let krate = set.krate();
    match &set.options.shared {
        Some(shared) if !set.is_module() => {
            let state = quote_spanned!(names::quietly(shared.span())=> ::std::sync::Arc<Self>);
            quote!(type Shared = #state;)
        }
        _ => quote!(type Shared = #krate::__private::NoState;),
    }
}

fn calls(set: &Set) -> TokenStream {
    let executor = &set.executor;
    let construct = construct_calls(set, &quote!(executor));
    quote! {
        fn calls<#executor>(executor: #executor) -> Self::Calls<#executor> {
            #construct
        }
    }
}

/// Generates `GeometryCalls { executor }`, where `field` sets the executor.
pub(crate) fn construct_calls(set: &Set, field: &TokenStream) -> TokenStream {
    let calls = set.calls_type();
    let phantom = phantom(set).map(|_| quote!(, set: ::core::marker::PhantomData));
    quote!(#calls { #field #phantom })
}

fn run(set: &Set) -> TokenStream {
    let krate = set.krate();
    let (task, scope) = (names::local("task"), names::local("scope"));
    let arms = set.tasks.iter().map(|task| arm(set, task));
    quote! {
        fn run(#task: Self::Task, #scope: &mut #krate::__private::Scope<Self>) -> #krate::__private::Run<Self::Output> {
            match #task {
                #(#arms)*
            }
        }
    }
}

/// Generates `fn run_boxed` for a set with a synchronous task whose arguments may be large. It
/// moves them from the box directly into the function.
fn run_boxed(set: &Set) -> Option<TokenStream> {
    let large: Vec<_> = set.tasks.iter().filter(|task| !task.leaves_future() && may_be_large(task)).collect();
    if large.is_empty() {
        return None;
    }
    let krate = set.krate();
    let (input, scope) = (names::local("input"), names::local("scope"));
    let arms = large.into_iter().map(|task| boxed_arm(set, task));
    Some(quote! {
        fn run_boxed(
            #input: ::std::boxed::Box<#krate::__private::Input<Self>>,
            #scope: &mut #krate::__private::Scope<Self>,
        ) -> #krate::__private::Run<Self::Output> {
            match #input.task {
                #(#arms)*
                // The path is qualified, since the set may have a function of its own named `run`.
                _ => <Self as #krate::TaskSet>::run(#input.task, #scope),
            }
        }
    })
}

fn boxed_arm(set: &Set, task: &Task) -> TokenStream {
    let (cfgs, tasks, variant, params) = (task.cfgs(), set.task_type(), &task.variant, task.names());
    let (krate, input, scope) = (set.krate(), names::local("input"), names::local("scope"));
    let (preparation, end) = (preparation(task), finish(set, task));
    quote! {
        #(#cfgs)*
        #tasks::#variant { .. } => #krate::__private::apart_boxed(#input, #scope, |#input, #scope| {
            let #tasks::#variant { #(#params),* } = #input.task else { ::core::unreachable!() };
            #preparation
            #end
        }),
    }
}

/// Returns whether the arguments may be large: at least one type's name is not in the list of small
/// types.
fn may_be_large(task: &Task) -> bool {
    task.params.iter().any(|param| !is_small(&param.ty))
}

/// The types, beside the primitive ones, whose values are a few words on the stack, whatever they
/// own on the heap.
const SMALL: &[&str] = &[
    "String", "Vec", "Box", "Arc", "Duration", "Instant", "PathBuf", "HashMap", "HashSet", "BTreeMap", "BTreeSet",
    "Sender", "Receiver",
];

fn is_small(ty: &Type) -> bool {
    match ty {
        ty if names::is_primitive(ty) => true,
        Type::Reference(_) => true,
        Type::Tuple(tuple) => tuple.elems.iter().all(is_small),
        Type::Path(path) => path.path.segments.last().is_some_and(|last| SMALL.iter().any(|name| last.ident == name)),
        _ => false,
    }
}

fn arm(set: &Set, task: &Task) -> TokenStream {
    let (cfgs, tasks, variant, params) = (task.cfgs(), set.task_type(), &task.variant, task.names());
    let preparation = preparation(task);
    let end = if task.leaves_future() { spawn(set, task) } else { finish(set, task) };
    let body = match (set.tasks.len(), preparation.is_empty()) {
        (1, true) => quote!(#end,),
        (1, false) => quote!({ #preparation #end }),
        // The closure gives the arm its own stack frame. Without one, each task would run with the
        // locals of the largest task on the stack.
        _ => {
            let krate = set.krate();
            quote!(#krate::__private::apart(move || { #preparation #end }),)
        }
    };
    quote! {
        #(#cfgs)*
        #tasks::#variant { #(#params),* } => #body
    }
}

/// Generates the values that the call borrows from: the context, and the state for a future that
/// outlives the scope.
fn preparation(task: &Task) -> TokenStream {
    let (scope, cx, state, owner) =
        (names::local("scope"), names::local("cx"), names::local("state"), names::local("owner"));
    let context = task.function.takes_context().then(|| quote!(let #cx = #scope.context();));
    let state = match (task.function.is_async(), task.function.receiver()) {
        (true, Receiver::Shared) => Some(quote!(let #state = #scope.reader();)),
        (true, Receiver::Exclusive) => Some(quote!(let #owner = #scope.owner();)),
        _ => None,
    };
    quote!(#context #state)
}

fn finish(set: &Set, task: &Task) -> TokenStream {
    let (krate, outputs, variant) = (set.krate(), set.output_type(), &task.variant);
    let call = call(set, task);
    quote!(#krate::__private::Run::Done(#outputs::#variant(#call)))
}

/// Generates the spawning of the future. An error about a future that has to be `Send` has the span
/// of the function's name.
fn spawn(set: &Set, task: &Task) -> TokenStream {
    let (outputs, variant, scope) = (set.output_type(), &task.variant, names::local("scope"));
    let call = call(set, task);
    let stays = match task.function.receiver() {
        Receiver::None => task.options.local.is_some(),
        Receiver::Shared => !set.is_shared() || task.options.local.is_some(),
        Receiver::Exclusive | Receiver::Owned | Receiver::Other => true,
    };
    let place = names::quietly(task.ident().span());
    let spawn =
        if stays { quote_spanned!(place=> spawn_local) } else { quote_spanned!(place=> spawn_unless_task_local) };
    let krate = set.krate();
    let future = if task.options.sliced.is_some() { quote!(#krate::__private::steps(#call)) } else { call };
    quote!(#scope.#spawn(async move { #outputs::#variant(#future.await) }))
}

/// Generates the call of the user's function.
fn call(set: &Set, task: &Task) -> TokenStream {
    let path = set.path_to(task.ident());
    let context = names::local("cx");
    let receiver = receiver(task);
    let context = task.function.takes_context().then(|| quote!(&#context));
    let params = task.names().into_iter().map(|name| quote!(#name));
    let arguments = receiver.into_iter().chain(context).chain(params);
    quote!(#path(#(#arguments),*))
}

fn receiver(task: &Task) -> Option<TokenStream> {
    let (scope, state, owner) = (names::local("scope"), names::local("state"), names::local("owner"));
    match (task.function.receiver(), task.function.is_async()) {
        (Receiver::Shared, false) => Some(quote!(&#scope.reader())),
        (Receiver::Shared, true) => Some(quote!(&#state)),
        (Receiver::Exclusive, false) => Some(quote!(&mut #scope.writer())),
        (Receiver::Exclusive, true) => Some(quote!(&mut #owner.write())),
        (Receiver::None | Receiver::Owned | Receiver::Other, _) => None,
    }
}

/// Generates `fn duplicate` for a set with a task that may run twice.
fn duplicate(set: &Set) -> Option<TokenStream> {
    let idempotent: Vec<_> = set.tasks.iter().filter(|task| task.options.idempotent.is_some()).collect();
    if idempotent.is_empty() {
        return None;
    }
    let task = names::local("task");
    let arms = idempotent.into_iter().map(|task| copy(set, task));
    Some(quote! {
        fn duplicate(#task: &Self::Task) -> ::core::option::Option<Self::Task> {
            match #task {
                #(#arms)*
                _ => ::core::option::Option::None,
            }
        }
    })
}

/// Generates a copy of a task. An error about an argument that is not `Clone` has the span of the
/// argument's type.
fn copy(set: &Set, task: &Task) -> TokenStream {
    let (cfgs, tasks, variant, params) = (task.cfgs(), set.task_type(), &task.variant, task.names());
    let copies = task.params.iter().map(|param| {
        let (name, place) = (&param.name, names::place_of(&param.written.ty));
        quote_spanned!(place=> #name: ::core::clone::Clone::clone(#name))
    });
    quote! {
        #(#cfgs)*
        #tasks::#variant { #(#params),* } => ::core::option::Option::Some(#tasks::#variant { #(#copies),* }),
    }
}
