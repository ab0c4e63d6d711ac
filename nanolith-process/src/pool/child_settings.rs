//! The settings of a child process: the same for pools and services.

/// Writes the methods of a builder that set what a child process is and may do. `$config` is the field
/// with its `Config`.
macro_rules! child_settings {
    ($config:ident) => {
        /// Sets how long a child may take from its start until it serves. The default is 10 seconds.
        /// After that it is killed, and counts as one that failed to start.
        pub fn start_timeout(mut self, limit: std::time::Duration) -> Self {
            self.$config.start_timeout = limit;
            self
        }

        // ----- the time of a task

        /// Sets how long a task may run. By default it has no limit. After that the task is asked to
        /// stop, as by [`Call::timeout`](nanolith::Call::timeout), and after the [`grace`](Self::grace)
        /// its child is killed.
        pub fn task_timeout(mut self, limit: std::time::Duration) -> Self {
            self.$config.task_timeout = Some(limit);
            self
        }

        /// Sets how long a task that is asked to stop may go on before its child is killed. The default
        /// is 100 ms. With zero the child is killed at once, and the task is not asked.
        pub fn grace(mut self, grace: std::time::Duration) -> Self {
            self.$config.grace = grace;
            self
        }

        // ----- limits of a child

        /// Sets the number of bytes of the data segment of a child: its heap, its private anonymous
        /// mappings and the stacks of its threads. The system enforces it (`RLIMIT_DATA`): an allocation
        /// beyond it fails, which ends a Rust program. Linux only: elsewhere `build` fails.
        pub fn memory_limit(mut self, bytes: u64) -> Self {
            self.$config.memory = Some(bytes);
            self
        }

        /// Sets the processor time of a child over its life, in whole seconds. The system enforces it
        /// (`RLIMIT_CPU`) by ending the child with signal 24, `SIGXCPU`. On Windows `build` fails.
        pub fn cpu_time(mut self, limit: std::time::Duration) -> Self {
            self.$config.cpu_time = Some(limit);
            self
        }

        /// Sets what is added to the nice value of a child. A positive number makes it less urgent. The
        /// system refuses a negative number to most users, and the child then fails to start. On Windows
        /// `build` fails.
        pub fn nice(mut self, increment: i32) -> Self {
            self.$config.nice = Some(increment);
            self
        }

        /// Sets the largest message in bytes: a task with its arguments, or an output, encoded. The
        /// default is 64 MiB; the maximum is 1 GiB. A larger task is refused before anything is sent.
        pub fn max_message(mut self, bytes: usize) -> Self {
            self.$config.max_message = bytes;
            self
        }

        // ----- the surroundings of a child

        /// Sets the working directory of a child. The default is that of this process.
        pub fn current_dir(mut self, folder: impl Into<std::path::PathBuf>) -> Self {
            self.$config.current_dir = Some(folder.into());
            self
        }

        /// Starts children without the environment of this process. [`env`](Self::env) and
        /// [`env_keep`](Self::env_keep) add to the empty environment. On Windows the variable
        /// `SystemRoot` is kept, since no process has sockets without it.
        pub fn env_clear(mut self) -> Self {
            self.$config.env_clear = true;
            self
        }

        /// Sets an environment variable of the children.
        pub fn env(mut self, name: impl AsRef<std::ffi::OsStr>, value: impl AsRef<std::ffi::OsStr>) -> Self {
            self.$config.env.push((name.as_ref().to_owned(), Some(value.as_ref().to_owned())));
            self
        }

        /// Passes on an environment variable of this process, after [`env_clear`](Self::env_clear).
        pub fn env_keep(mut self, name: impl AsRef<std::ffi::OsStr>) -> Self {
            self.$config.env.push((name.as_ref().to_owned(), None));
            self
        }

        /// Sets where the standard output of children goes. The default is that of this process.
        pub fn stdout(mut self, stdout: crate::Stdout) -> Self {
            self.$config.stdout = stdout;
            self
        }

        /// Sets whether the standard error of children is passed on to that of this process. The default
        /// is true. Either way the last lines are in the errors of calls. If the standard error of this
        /// process takes nothing, because the reader of a pipe does not read, up to 1 MiB waits, and the
        /// rest is dropped.
        pub fn pass_stderr(mut self, passes: bool) -> Self {
            self.$config.pass_stderr = passes;
            self
        }
    };
}

pub(crate) use child_settings;
