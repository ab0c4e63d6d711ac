//! The chapters of the book in `docs/`, each as the documentation of a module. So `cargo test --doc`
//! compiles and runs their examples.
//!
//! `docs/from-node.md` is a doc test of `nanolith`, and `docs/processes.md` of `nanolith-process`.

/// Makes a module with the text of each chapter.
macro_rules! chapters {
    ($($name:ident $file:literal)*) => {
        $(
            #[cfg(doctest)]
            #[doc = include_str!(concat!("../../docs/", $file))]
            mod $name {}
        )*
    };
}

chapters! {
    introduction "README.md"
    start "book/start.md"
    tasks "book/tasks.md"
    calls "book/calls.md"
    services "book/services.md"
    clusters "book/clusters.md"
    messages "book/messages.md"
    flow_control "book/flow-control.md"
    errors "book/errors.md"
    testing "book/testing.md"
    costs "book/costs.md"
    semantics "book/semantics.md"
    from_spawn_blocking "book/from-spawn-blocking.md"
    from_rayon "book/from-rayon.md"
    from_actors "book/from-actors.md"
    web_and_sqlite "book/web-and-sqlite.md"
    recipes "book/recipes.md"
}
