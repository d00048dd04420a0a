//! A run in progress: what it prints and which files it writes.

use std::collections::HashSet;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context, Result};
use burn::tensor::backend::Backend;
use resnet_cli::{ProgressBar, bar, note, printable, tell_left_out};
use resnet_core::ResNet;
use resnet_data::{BadImage, Scores};
use resnet_train::report::{Log, Row, curves_svg};
use resnet_train::{EpochReport, Observer, StepReport};
use resnet_weights::Save;

use crate::cli::Bad;

/// The template of an epoch's progress bar.
const BAR: &str = "{bar:24} {pos}/{len} {msg}, {eta} left";

/// A run of one or two phases and its output folder.
pub(crate) struct Run {
    pub(crate) folder: PathBuf,
    pub(crate) log: Log,
    /// The metadata to save with the network.
    pub(crate) save: Save,
    pub(crate) phase: &'static str,
    pub(crate) epochs: u64,
    pub(crate) bad: Bad,
    pub(crate) quiet: bool,
    /// Whether this process writes the files.
    pub(crate) writes: bool,
    pub(crate) stop: Arc<AtomicBool>,
    /// Paths of images that could not be read.
    pub(crate) unreadable: HashSet<String>,
    pub(crate) clock: Clock,
}

/// Time and throughput of the current epoch.
pub(crate) struct Clock {
    start: Instant,
    /// Seconds of training, without validation.
    seconds: f64,
    images: usize,
    pub(crate) learning_rate: f64,
    bar: Option<ProgressBar>,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            seconds: 0.0,
            images: 0,
            learning_rate: 0.0,
            bar: None,
        }
    }
}

impl Clock {
    /// Returns the throughput of training, without validation.
    pub(crate) fn images_per_second(&self) -> f64 {
        self.images as f64 / self.seconds.max(1e-9)
    }

    /// Returns the seconds of the epoch.
    pub(crate) fn elapsed(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }
}

impl Run {
    /// Ends the clock of an epoch and its progress bar, and starts the next one.
    pub(crate) fn take_clock(&mut self) -> Clock {
        let mut clock = std::mem::replace(&mut self.clock, Clock::new());
        if let Some(bar) = clock.bar.take() {
            bar.finish_and_clear();
        }
        clock
    }

    /// Writes a file to the output folder.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        resnet_cli::write(&self.folder.join(name), bytes)
    }

    /// Prints a progress line to standard error.
    pub(crate) fn progress(&self, line: &str) {
        if self.quiet {
            return;
        }
        let print = || {
            // A closed standard error must not end the run.
            let _ = writeln!(io::stderr(), "{}", printable(line));
        };
        match &self.clock.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// Prints the final result to standard output.
    pub(crate) fn result(&self, line: &str) -> io::Result<()> {
        match self.quiet {
            true => Ok(()),
            false => writeln!(io::stdout(), "{}", printable(line)),
        }
    }

    fn end<B: Backend>(&mut self, report: &EpochReport, model: &ResNet<B>) -> Result<()> {
        let clock = self.take_clock();
        if !self.writes {
            return Ok(());
        }
        let scores = report.valid.as_ref();
        let score = |value: fn(&Scores) -> f64| scores.map_or(f64::NAN, value);
        let row = Row {
            phase: self.phase.into(),
            epoch: report.epoch + 1,
            learning_rate: clock.learning_rate,
            train_loss: report.loss,
            valid_loss: score(Scores::loss),
            top1: score(Scores::top1),
            top5: score(Scores::top5),
            calibration_error: score(Scores::calibration_error),
            images_per_second: clock.images_per_second(),
            seconds: clock.elapsed(),
        };
        self.progress(&format!(
            "{} {:>3}/{}  loss {:.4}  validation loss {:.4}  top-1 {:6.2} %{}  {:.0} images/s, {:.0} s",
            self.phase,
            row.epoch,
            self.epochs,
            row.train_loss,
            row.valid_loss,
            100.0 * row.top1,
            if report.best { " *" } else { "  " },
            row.images_per_second,
            row.seconds,
        ));
        self.save
            .safetensors(model, self.folder.join("last.safetensors"))?;
        if report.best {
            self.save
                .safetensors(model, self.folder.join("best.safetensors"))?;
        }
        self.log.push(row)?;
        self.write("curves.svg", curves_svg(self.log.rows()).as_bytes())
    }
}

impl Run {
    /// Shows a window of steps in the progress bar.
    pub(crate) fn show_steps(&mut self, report: &StepReport) {
        let clock = &mut self.clock;
        clock.images += report.images;
        clock.seconds += report.time.as_secs_f64();
        clock.learning_rate = report.learning_rate;
        if self.quiet || !io::stderr().is_terminal() {
            return;
        }
        let [done, total] = report.batch;
        let bar = clock.bar.get_or_insert_with(|| bar(total, BAR));
        bar.set_position(done as u64);
        let speed = report.images as f64 / report.time.as_secs_f64().max(1e-9);
        bar.set_message(format!(
            "{} {}/{}  loss {:.4}  learning rate {:.2e}  {speed:.0} images/s",
            self.phase,
            report.epoch + 1,
            self.epochs,
            report.loss,
            report.learning_rate
        ));
    }

    /// Prints that an image is left out, once, or returns the reason as an error.
    pub(crate) fn note_bad_image(&mut self, image: &BadImage) -> Result<(), String> {
        let BadImage { name, reason } = image;
        if self.bad == Bad::Fail {
            return Err(format!("`{name}`: {reason}; skip it with --bad skip"));
        }
        if self.unreadable.insert(name.clone()) {
            let tell = || tell_left_out(image);
            match &self.clock.bar {
                Some(bar) => bar.suspend(tell),
                None => tell(),
            }
        }
        Ok(())
    }

    /// Returns whether the user asked to stop.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

impl<B: Backend> Observer<B> for Run {
    fn steps(&mut self, report: &StepReport) {
        self.show_steps(report);
    }

    fn epoch(&mut self, report: &EpochReport, model: &ResNet<B>) -> Result<(), String> {
        self.end(report, model)
            .map_err(|error| format!("{error:#}"))
    }

    fn bad_image(&mut self, image: &BadImage) -> Result<(), String> {
        self.note_bad_image(image)
    }

    fn stop(&mut self) -> bool {
        self.is_stopped()
    }
}

/// Returns a flag that Ctrl-C sets. A second Ctrl-C ends the process immediately.
pub(crate) fn stop_on_ctrl_c() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    let handler = move || {
        if flag.swap(true, Ordering::Relaxed) {
            #[allow(clippy::exit, reason = "the user pressed Ctrl-C twice")]
            std::process::exit(130);
        }
        note(
            "stopping after this step, then saving the training state; press Ctrl-C again to exit immediately",
        );
    };
    ctrlc::set_handler(handler).context("Ctrl-C cannot be caught")?;
    Ok(stop)
}
