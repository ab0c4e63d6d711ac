use nanolith::prelude::*;

pub struct Set;

pub enum Command {
    Reset,
}

#[define(inbox = Command)]
impl Set {
    #[on_message]
    fn on_message(&mut self, command: Command) {
        let Command::Reset = command;
    }

    pub fn sound() {}
}

fn main() {
    let service = Set::service(Set).launch().wait().unwrap();
    let _ = service.send("reset").wait();
}
