//! A managed port: when its other end closes, it opens a new port and sends the returned messages
//! again. Before it closes, it says goodbye and waits until the other end has ended.
//!
//! `cargo run --example ports_managed` prints five pages on printers with paper for two pages each.

use nanolith::{
    Handle,
    port::{self, Port},
    prelude::*,
    time::{MINUTE, timeout},
};

/// A message to a printer.
pub enum Job {
    /// A page to print.
    Page(String),
    /// No more pages come.
    Goodbye,
}

/// A printer, which prints pages while it has paper.
pub struct Printer;

#[define]
impl Printer {
    /// Prints until the paper is used up, then ends, even if pages still wait. Returns the number
    /// of pages.
    pub async fn run(number: u32, paper: usize, jobs: Port<usize, Job>) -> usize {
        let mut printed = 0;
        while printed < paper {
            let Ok(Job::Page(page)) = jobs.recv().await else { break };
            printed += 1;
            println!("printer {number}: {page}");
            // The receiver may be gone; the page counts all the same.
            let _ = jobs.send(printed).await;
        }
        println!("printer {number}: off after {printed} pages");
        printed
    }
}

/// A port to a printer that works, and the call that runs the printer.
struct Managed {
    port: Port<Job, usize>,
    printer: Handle<Printer, usize>,
    opened: u32,
}

impl Managed {
    fn open(number: u32) -> Self {
        let (port, theirs) = port::rendezvous(); // so no page waits in a printer that ends
        Self { port, printer: Printer::tasks().run(number, 2, theirs).submit(), opened: number }
    }

    /// Prints one page, on a new printer if this one has ended.
    async fn print(&mut self, page: String) {
        let mut job = Job::Page(page);
        while let Err(refused) = self.port.send(job).await {
            println!("manager: printer {} has left, the page is back", self.opened);
            job = refused.into_inner();
            *self = Self::open(self.opened + 1);
        }
        let _ = self.port.recv().await; // the number of printed pages, unless the port is closed
    }

    /// Sends the goodbye if the printer still receives, and waits for the printer to end.
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
