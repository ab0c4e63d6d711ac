//! Starts a child process: the same program again.

use super::{
    builder::{Config, Stdout},
    child::Child,
    link::Link,
    stderr::StderrTail,
};
use crate::{
    program::{arguments, program},
    sys::{self, REQUIRED_VARIABLES, Spawned},
    wire::{self, FrameReader, Hello, Kind},
};
use std::{
    env, io,
    process::{Command, Stdio},
};

/// Starts a child. Its first frame says when it serves.
pub(super) fn spawn(config: &Config, id: u64) -> io::Result<Child> {
    let nonce = fastrand::u64(..);
    let (command, hello) = (command(config)?, hello(config, nonce)?);
    let spawned = config.listeners.with(|listeners| sys::spawn(command, nonce, &hello, listeners))?;
    let Spawned { process, socket, lifeline, stderr } = spawned;
    let stderr = StderrTail::new(stderr, config.pass_stderr);
    let reader = FrameReader::new(config.max_message, config.spins);
    Ok(Child::new(id, process, (socket, lifeline), stderr, reader, Link::new(config)))
}

fn command(config: &Config) -> io::Result<Command> {
    let mut command = Command::new(program()?);
    command.args(arguments());
    if config.env_clear {
        command.env_clear();
        let required = REQUIRED_VARIABLES.iter().filter_map(|name| Some((name, env::var_os(name)?)));
        command.envs(required);
    }
    for (name, value) in &config.env {
        match value.clone().or_else(|| env::var_os(name)) {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    if let Some(folder) = &config.current_dir {
        command.current_dir(folder);
    }
    command.stdout(match config.stdout {
        Stdout::Inherit => Stdio::inherit(),
        Stdout::Null => Stdio::null(),
    });
    Ok(command)
}

fn hello(config: &Config, nonce: u64) -> io::Result<Vec<u8>> {
    let hello = Hello {
        nonce,
        max_message: config.max_message,
        memory: config.memory,
        cpu_seconds: config.cpu_time.map(|limit| limit.as_secs()),
        nice: config.nice,
        listeners: config.listeners.len(),
        spins: config.spins,
    };
    let mut frame = wire::start_frame();
    wire::encode(&hello, &mut frame, config.max_message).map_err(io::Error::other)?;
    wire::finish_frame(&mut frame, Kind::HELLO, 0);
    Ok(frame)
}
