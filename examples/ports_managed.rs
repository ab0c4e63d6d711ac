//! A port that looks after itself: when its other end is closed it opens another and sends again what came back, and when
//! it goes it says goodbye and waits until the other end has tidied up.
//!
//! `cargo run --example ports_managed` prints five pages on printers that hold paper for two each.

use nanolith::{
    Handle,
    port::{self, Port},
    prelude::*,
    time::timeout,
};

/// What a printer is told.
pub enum Job {
    /// To be printed.
    Page(String),
    /// No more will come.
    Goodbye,
}

/// Prints pages while it has paper.
pub struct Printer;

#[define]
impl Printer {
    /// Prints until the paper is used up, then leaves, whatever is still waiting. Gives the number of pages.
    pub async fn run(number: u32, paper: usize, jobs: Port<usize, Job>) -> usize {
        let mut printed = 0;
        while printed < paper {
            let Ok(Job::Page(page)) = jobs.recv().await else { break };
            printed += 1;
            println!("printer {number}: {page}");
            // Nobody may care; the pages are counted all the same.
            let _ = jobs.send(printed).await;
        }
        println!("printer {number}: off after {printed} pages");
        printed
    }
}

/// A port to a printer that works, with the printer.
struct Managed {
    port: Port<Job, usize>,
    printer: Handle<Printer, usize>,
    opened: u32,
}

impl Managed {
    fn open(number: u32) -> Self {
        let (port, theirs) = port::bounded(0); // handed over, so no page waits in a printer that leaves
        Self { port, printer: Printer::tasks().run(number, 2, theirs).submit(), opened: number }
    }

    /// Prints one page, on another printer if this one has left.
    async fn print(&mut self, page: String) {
        let mut job = Job::Page(page);
        while let Err(refused) = self.port.send(job).await {
            println!("manager: printer {} has left, the page is back", self.opened);
            job = refused.into_inner();
            *self = Self::open(self.opened + 1);
        }
        let _ = self.port.recv().await; // how many it has printed, if it still tells
    }

    /// Sends the goodbye if there is somebody to hear it, and waits for the printer to be off.
    async fn close(self) -> Result<u32, CallError> {
        let _ = self.port.send(Job::Goodbye).await;
        if timeout(MINUTE, self.port.closed()).await.is_err() {
            println!("manager: printer {} does not answer", self.opened);
        }
        self.printer.await?;
        Ok(self.opened)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    pollster::block_on(async {
        let mut printer = Managed::open(1);
        for page in 1..=5 {
            printer.print(format!("page {page}")).await;
        }
        println!("five pages took {} printers", printer.close().await?);
        Ok(())
    })
}
