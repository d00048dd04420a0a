//! `train` and `finetune`.

mod conclude;
mod folder;
mod mistakes;

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Error, Result, ensure};
use burn::backend::Autodiff;
use burn::tensor::backend::{AutodiffBackend, Backend};
use resnet_backend::Work;
use resnet_cli::{Outcome, note};
use resnet_data::Dataset;
use resnet_train::report::Log;
use resnet_train::{
    Config, Ending, EvaluateError, Fit, FitError, MEET_SECRET, Peers, Position, Task, Trainer,
};
use resnet_weights::{DenseWeights, EmbeddedDense, Save};

use crate::cli::{self, Data, OptimizationFlags, TaskFlags};
use crate::run::{Clock, Run, stop_on_ctrl_c};
use crate::start::{Start, activation, labels};
pub(crate) use folder::Folder;
#[cfg(feature = "dense")]
pub(crate) use folder::hex;
use folder::{config_text, images, sha256};

/// The error for detectors and segmentation networks.
#[cfg(not(feature = "dense"))]
pub(crate) const NO_DENSE: &str =
    "--task: this build has no detection or segmentation; enable the cargo feature `dense`";

/// The phases of a run and their training state files.
const STATES: [(&str, &str); 2] = [("head", "head.checkpoint"), ("all", "last.checkpoint")];

pub(crate) fn train(args: cli::Run, offline: bool) -> Result<Outcome> {
    let config = config(&args.data, &args.objects, &args.optimization, None)?;
    ensure!(
        config.task == Task::Classify
            || is_scenes(&args.data.data)
            || args.optimization.recipe.is_some()
            || config.model.is_some()
            || config.weights.is_some(),
        "expected --recipe for training from scratch, found none: the recipes `detect` and `segment` \
         are for pretrained weights; save one of them with `resnet-train recipes`, and edit it"
    );
    start(args, config, offline)
}

pub(crate) fn finetune(args: cli::Run, offline: bool) -> Result<Outcome> {
    let usual = Some("finetune");
    let config = config(&args.data, &args.objects, &args.optimization, usual)?;
    ensure!(
        config.model.is_some() || config.weights.is_some(),
        "expected weights to start from, found none: use --model or --weights, or `resnet-train train`"
    );
    start(args, config, offline)
}

/// Returns the recipe with the flags applied, and the task. `usual` is the command's recipe for
/// classifiers.
pub(crate) fn config(
    data: &Data,
    objects: &TaskFlags,
    flags: &OptimizationFlags,
    usual: Option<&str>,
) -> Result<Config> {
    let task = objects
        .task
        .or_else(|| task_of_model(flags.model.as_deref()));
    let scenes = is_scenes(&data.data) && task != Some(Task::Classify);
    let usual = match (task, usual) {
        (Some(Task::Segment), _) if scenes => Some("scenes-segment"),
        (Some(Task::Segment), _) => Some("segment"),
        (_, None) if scenes => Some("scenes"),
        (Some(Task::Detect | Task::Keypoints), _) => Some("detect"),
        (_, usual) => usual,
    };
    let mut config = flags.config(&data.data, usual)?;
    config.task = task.unwrap_or(config.task);
    Ok(config)
}

/// Returns whether a path means the generated dataset `scenes`.
fn is_scenes(data: &Path) -> bool {
    data == Path::new("scenes") && !data.exists()
}

/// Returns the task of published weights, or `None` for a classifier.
fn task_of_model(model: Option<&str>) -> Option<Task> {
    let model = model?;
    let published = DenseWeights::named(model).map(|weights| weights.arch.name());
    let name = published.or_else(|| Some(EmbeddedDense::named(model)?.id))?;
    Some(match name {
        name if name.starts_with("keypoint") => Task::Keypoints,
        name if name.starts_with("fcn_") || name.starts_with("deeplab") => Task::Segment,
        _ => Task::Detect,
    })
}

fn start(args: cli::Run, config: Config, offline: bool) -> Result<Outcome> {
    match config.task {
        Task::Classify => run(args, config, offline),
        #[cfg(feature = "dense")]
        _ => super::dense::run(args, config, offline),
        #[cfg(not(feature = "dense"))]
        _ => anyhow::bail!(NO_DENSE),
    }
}

fn run(args: cli::Run, config: Config, offline: bool) -> Result<Outcome> {
    let data = args.data.open(config.split, config.seed)?;
    let classes = data[0].classes().len();
    let start = Start::new(&config, classes, args.memory, offline)?;
    start.note_activation(activation(&data[0]));
    let mut job = Job {
        args,
        config,
        data,
        start,
        folder: None,
    };
    // Runs the checks of every phase before anything is written.
    for config in job.config.head_phase().iter().chain([&job.config]) {
        let fit = job.fit(config, "")?;
        let network = &job.start.network;
        let parts = fit.micro_batches(network, config.norms, job.size(config));
        if parts < config.accumulate {
            note(&format!(
                "{parts} micro-batches per batch instead of {}: batch norm needs more images in each",
                config.accumulate
            ));
        }
    }
    if job.writes() {
        job.folder = Some(Folder::prepare(&job.args, &job.config, &images(&job.data))?);
    }
    let selection = job.args.device.selection();
    resnet_backend::with_backend(selection, job)?
}

/// A validated run: everything that can fail early is checked before the device opens.
struct Job {
    args: cli::Run,
    config: Config,
    data: [Dataset; 2],
    start: Start,
    /// The locked output folder, in the process that writes the files.
    folder: Option<Folder>,
}

impl Work for Job {
    type Output = Result<Outcome>;

    fn run<B: Backend>(mut self, device: B::Device) -> Result<Outcome> {
        let labels = labels(&self.data[0]);
        let save = Save::default()
            .with_labels(labels)
            .with_preprocessing(self.start.preprocessing)
            .with_output_activation(activation(&self.data[0]));
        let mut run = Run {
            folder: self.args.output.clone(),
            log: Log::new(&self.args.output),
            save,
            phase: "all",
            epochs: self.config.epochs,
            bad: self.args.bad,
            quiet: self.args.quiet || !self.writes(),
            writes: self.writes(),
            stop: stop_on_ctrl_c()?,
            unreadable: HashSet::new(),
            clock: Clock::new(),
        };
        run.progress(&format!(
            "{} from {}, {} training images of {} classes, {} validation images",
            self.start.name,
            self.start.origin,
            self.data[0].len(),
            self.data[0].classes().len(),
            self.data[1].len(),
        ));
        let mut model = self.start.load::<Autodiff<B>>(self.config.seed, &device)?;
        let mut start = Position::default();
        let mut peers = None;
        let phases = [self.config.head_phase(), Some(self.config.clone())];
        for ((phase, file), config) in STATES.into_iter().zip(phases) {
            let Some(config) = config else { continue };
            run.phase = phase;
            run.epochs = config.epochs;
            let fit = self.fit(&config, file)?;
            let trainer = Trainer::new(model, config.settings(&self.data[0]));
            let resumed = Some(self.args.output.join(file));
            let resumed = resumed.filter(|path| self.args.resume && path.exists());
            let (mut trainer, mut position) = self.resume(&fit, trainer, start, file, &mut run)?;
            if let ("all", Some(folder)) = (phase, &mut self.folder) {
                folder.extend(&self.args)?;
            }
            if peers.is_none() {
                peers = self.meet()?;
            }
            if let Some(peers) = &mut peers {
                peers.agree(&trainer.fingerprint(&serde_json::to_string(&position)?))?;
            }
            let among = peers.as_mut();
            let ending = fit.run_among(among, &mut trainer, &mut position, &device, &mut run);
            let ending =
                ending.map_err(|error| Self::with_state_path(error, resumed.as_deref()))?;
            if ending == Ending::Stopped {
                run.progress("stopped; continue with --resume");
                return Ok(Outcome::Stopped);
            }
            start = position.next_phase();
            model = trainer.model().clone();
        }
        match self.writes() {
            true => self.conclude::<B>(&mut run, &device),
            false => Ok(Outcome::Done),
        }
    }
}

impl Job {
    fn writes(&self) -> bool {
        self.args.processes.rank.unwrap_or(0) == 0
    }

    /// Connects to the other processes, if `--ranks` is given. All must have the same config and
    /// data.
    fn meet(&self) -> Result<Option<Peers>> {
        let cli::Processes {
            ranks,
            rank,
            meet,
            patience,
        } = &self.args.processes;
        let (Some(ranks), Some(rank), Some(meet)) = (*ranks, *rank, meet) else {
            return Ok(None);
        };
        let version = env!("CARGO_PKG_VERSION");
        let config = config_text(&self.config, &images(&self.data))?;
        let greeting = format!("resnet-train {version} {}", sha256(config.as_bytes()));
        let patience = Duration::from_secs(*patience);
        let secret = std::env::var_os(MEET_SECRET);
        let secret = secret.as_deref().map(OsStr::as_encoded_bytes);
        let peers = Peers::meet_with(meet, rank, ranks, &greeting, patience, secret)?;
        Ok(Some(peers))
    }

    /// Returns height and width of the training images.
    fn size(&self, config: &Config) -> [usize; 2] {
        [config.training_side(&self.start.preprocessing) as usize; 2]
    }

    fn fit(&self, config: &Config, file: &str) -> Result<Fit> {
        let mut fit = config.fit(self.data.clone(), self.start.preprocessing)?;
        if let Some(workers) = self.args.workers {
            fit.train = fit.train.with_workers(workers);
            fit.valid = fit.valid.map(|valid| valid.with_workers(workers));
        }
        if let Some(ranks) = self.args.processes.ranks {
            let rank = self.args.processes.rank.unwrap_or(0);
            ensure!(
                rank < ranks,
                "expected a rank below {ranks}, found --rank {rank}"
            );
            fit.train = fit.train.with_share(rank, ranks);
        }
        let checked = fit.check_batch(&self.start.network, config.norms, self.size(config));
        checked.with_context(|| match self.args.processes.ranks {
            Some(ranks) => format!("a batch among {ranks} processes"),
            None => "a batch".into(),
        })?;
        fit.state = self.writes().then(|| self.args.output.join(file));
        fit.save_every = self.args.save_every;
        Ok(fit)
    }

    /// Returns the trainer and its position: the start of the phase, or the saved training state.
    fn resume<B: AutodiffBackend>(
        &self,
        fit: &Fit,
        trainer: Trainer<B>,
        start: Position,
        file: &str,
        run: &mut Run,
    ) -> Result<(Trainer<B>, Position)> {
        let file = self.args.output.join(file);
        let (trainer, position) = match self.args.resume && file.exists() {
            true => fit.resume(trainer, file)?,
            false => (trainer, start),
        };
        if self.args.resume {
            let (phase, epoch) = (run.phase, position.epoch);
            run.log = Log::resume(&self.args.output, |row| match (row.phase == phase, phase) {
                (true, _) => row.epoch <= epoch,
                (false, "head") => false,
                (false, _) => true,
            })?;
            run.progress(&format!(
                "{phase}: resuming at epoch {}, step {}",
                epoch + 1,
                position.step
            ));
        }
        Ok((trainer, position))
    }

    /// Adds the path of the training state to an error about non-finite values, which may come from
    /// it.
    fn with_state_path(error: FitError, resumed: Option<&Path>) -> Error {
        let of_numbers = matches!(
            error,
            FitError::NonFinite { .. } | FitError::Evaluate(EvaluateError::NonFinite { .. })
        );
        match resumed.filter(|_| of_numbers) {
            Some(path) => Error::new(error).context(format!("resumed from `{}`", path.display())),
            None => error.into(),
        }
    }
}
