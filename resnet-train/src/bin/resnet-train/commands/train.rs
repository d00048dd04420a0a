use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use burn::backend::Autodiff;
use burn::tensor::backend::{AutodiffBackend, Backend};
use resnet_backend::Work;
use resnet_core::{NormMode, ResNet};
use resnet_data::{BadImage, Dataset, Loader, Scores};
use resnet_infer::command::Outcome;
use resnet_train::report::{Card, Cell, Log, confusion_svg, sheet};
use resnet_train::{Config, Ending, Fit, Peers, Position, Trainer, evaluate};
use resnet_weights::{Checkpoint, Load, Save};
use sha2::{Digest, Sha256};

use crate::cli;
use crate::commands::png;
use crate::run::{Clock, Run, stop_on_ctrl_c};
use crate::start::{Start, labels};

/// The files of a run.
const CONFIG: &str = "config.toml";
const CHECKPOINTS: [(&str, &str); 2] = [("head", "head.checkpoint"), ("all", "last.checkpoint")];
const BEST: &str = "best.safetensors";

/// Worst mistakes on their sheet.
const MISTAKES: usize = 32;

pub(crate) fn train(args: cli::Run, offline: bool) -> Result<Outcome> {
    let config = args.numbers.config(&args.data.data, None)?;
    run(args, config, offline)
}

pub(crate) fn finetune(args: cli::Run, offline: bool) -> Result<Outcome> {
    let config = args.numbers.config(&args.data.data, Some("finetune"))?;
    ensure!(
        config.model.is_some() || config.weights.is_some(),
        "expected weights to start from, found none: use --model or --weights, or `resnet-train train`"
    );
    run(args, config, offline)
}

fn run(args: cli::Run, config: Config, offline: bool) -> Result<Outcome> {
    let data = args.data.open(config.split, config.seed)?;
    let start = Start::new(&config, data[0].classes().len(), offline)?;
    // For its checks, before anything is written.
    config.fit(data.clone(), start.recipe)?;
    if args.processes.rank.unwrap_or(0) == 0 {
        prepare(&args, &numbers(&config, &data)?)?;
    }
    let selection = args.device.selection();
    let job = Job {
        args,
        config,
        data,
        start,
    };
    resnet_backend::with_backend(selection, job)?
}

/// The folder with its config; that of another run is left alone.
fn prepare(args: &cli::Run, text: &str) -> Result<()> {
    let folder = &args.output;
    let path = folder.join(CONFIG);
    // A start that failed leaves its config alone, which is no run.
    let begun = ["metrics.jsonl"]
        .into_iter()
        .chain(CHECKPOINTS.map(|(_, file)| file));
    let begun = path.exists()
        && begun
            .map(|file| folder.join(file))
            .any(|file| file.exists());
    match (begun, args.resume) {
        (true, false) => bail!(
            "`{}`: expected a new folder, found a run in it: go on with it by --resume, or take another --output",
            folder.display()
        ),
        (true, true) => {
            let kept =
                fs::read_to_string(&path).with_context(|| format!("`{}`", path.display()))?;
            ensure!(
                kept == text,
                "`{}`: expected the numbers of this run, found others: {}; resume with the same flags",
                path.display(),
                difference(&kept, text)
            );
        }
        (false, true) => bail!(
            "`{}`: expected a run to go on with, found no checkpoint in it",
            folder.display()
        ),
        (false, false) => {
            fs::create_dir_all(folder)
                .with_context(|| format!("`{}`: cannot be made", folder.display()))?;
            super::write(&path, text.as_bytes())?;
        }
    }
    Ok(())
}

/// The config as a file has it, headed by what tells these images from others.
fn numbers(config: &Config, [train, valid]: &[Dataset; 2]) -> Result<String> {
    let mut images = Vec::new();
    for sample in train.samples().iter().chain(valid.samples()) {
        let name = sample.name();
        let file = Path::new(&*name).file_name().unwrap_or_default();
        images.extend_from_slice(file.as_encoded_bytes());
        images.extend(sample.labels().iter().flat_map(|label| label.to_le_bytes()));
    }
    Ok(format!(
        "# {} images of {} classes, {} to validate with: {}\n{}",
        train.len(),
        train.classes().len(),
        valid.len(),
        sha256(&images),
        toml::to_string(config).context("config")?
    ))
}

fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The first lines that differ: numbers, or else the images.
fn difference(kept: &str, asked: &str) -> String {
    let lines = || {
        let lines = kept.lines().zip(asked.lines());
        lines.filter(|(kept, asked)| kept != asked)
    };
    let of_numbers = lines().find(|(kept, _)| !kept.starts_with('#'));
    match of_numbers.or_else(|| lines().next()) {
        Some((kept, asked)) => format!("`{kept}` there, `{asked}` here"),
        None => "more lines in one of them".into(),
    }
}

/// All that is settled before the first slow step.
struct Job {
    args: cli::Run,
    config: Config,
    data: [Dataset; 2],
    start: Start,
}

impl Work for Job {
    type Output = Result<Outcome>;

    fn run<B: Backend>(self, device: B::Device) -> Result<Outcome> {
        let labels = labels(&self.data[0]);
        let save = Save::default()
            .with_labels(labels)
            .with_recipe(self.start.recipe);
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
        run.say(&format!(
            "{} from {}, {} images of {} classes, {} to validate with",
            self.start.name,
            self.start.origin,
            self.data[0].len(),
            self.data[0].classes().len(),
            self.data[1].len(),
        ));
        let mut model = self.start.load::<Autodiff<B>>(self.config.seed, &device)?;
        let mut best = None;
        let mut peers = None;
        let phases = [self.config.head_phase(), Some(self.config.clone())];
        for ((phase, file), config) in CHECKPOINTS.into_iter().zip(phases) {
            let Some(config) = config else { continue };
            run.phase = phase;
            run.epochs = config.epochs;
            let fit = self.fit(&config, file)?;
            let trainer = Trainer::new(model, config.settings(self.data[0].is_multi_label()));
            let (mut trainer, mut position) = self.resume(trainer, best, file, &mut run)?;
            if peers.is_none() {
                peers = self.meet()?;
            }
            if let Some(peers) = &mut peers {
                peers.agree(&trainer.fingerprint(&serde_json::to_string(&position)?))?;
            }
            let among = peers.as_mut();
            let ending = fit.run_among(among, &mut trainer, &mut position, &device, &mut run)?;
            if ending == Ending::Stopped {
                run.say("stopped; go on with --resume");
                return Ok(Outcome::Stopped);
            }
            best = position.best;
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

    /// The other processes, where there are to be some; all must start alike.
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
        let numbers = numbers(&self.config, &self.data)?;
        let greeting = format!("resnet-train {version} {}", sha256(numbers.as_bytes()));
        let patience = Duration::from_secs(*patience);
        Ok(Some(Peers::meet(meet, rank, ranks, &greeting, patience)?))
    }

    fn fit(&self, config: &Config, file: &str) -> Result<Fit> {
        let mut fit = config.fit(self.data.clone(), self.start.recipe)?;
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
            let least = if config.norms == NormMode::Train {
                2 * ranks
            } else {
                ranks
            };
            ensure!(
                config.batch_size >= least,
                "expected a batch of {least} images or more for {ranks} processes, as batch norms in training need two each, found {}; use a larger --batch-size",
                config.batch_size
            );
            fit.train = fit.train.with_share(rank, ranks);
        }
        fit.checkpoint = self.writes().then(|| self.args.output.join(file));
        fit.save_every = self.args.save_every;
        Ok(fit)
    }

    /// The trainer and how far it has come: at the start of the phase, or at its checkpoint.
    fn resume<B: AutodiffBackend>(
        &self,
        trainer: Trainer<B>,
        best: Option<f64>,
        file: &str,
        run: &mut Run,
    ) -> Result<(Trainer<B>, Position)> {
        let mut start = Position::default();
        start.best = best;
        let file = self.args.output.join(file);
        let (trainer, position) = match self.args.resume && file.exists() {
            true => trainer.resume::<Position>(file)?,
            false => (trainer, start),
        };
        if self.args.resume {
            let (phase, epoch) = (run.phase, position.epoch);
            run.log = Log::resume(&self.args.output, |row| match (row.phase == phase, phase) {
                (true, _) => row.epoch <= epoch,
                (false, "head") => false,
                (false, _) => true,
            })?;
            run.say(&format!(
                "{phase}: from epoch {}, step {}",
                epoch + 1,
                position.step
            ));
        }
        Ok((trainer, position))
    }

    /// What the best network is worth: scores, pictures, a model card.
    fn conclude<B: Backend>(&self, run: &mut Run, device: &B::Device) -> Result<Outcome> {
        let best = Checkpoint::open(self.args.output.join(BEST))?;
        let model: ResNet<B> = self.start.network.init(device);
        let (model, _) = Load::default().apply(model, &best)?;
        let valid = &self.data[1];
        let loader = Loader::new(valid.clone(), self.start.recipe, self.config.batch_size);
        let mut mistakes = Mistakes::default();
        let mut bad = Vec::new();
        let each = |number: usize, logits: &[f32]| mistakes.add(valid, number, logits);
        let scores = evaluate(
            &model.clone().fuse(),
            &loader,
            device,
            each,
            |image: &BadImage| {
                bad.push(image.name.clone());
            },
        )?;
        run.unreadable.extend(bad);
        let classes = valid.classes();
        if !valid.is_multi_label() {
            run.write("confusion.svg", confusion_svg(&scores, classes).as_bytes())?;
        }
        run.write("mistakes.png", &png(&mistakes.sheet(valid))?)?;
        run.write("scores.json", &self.json(&scores)?)?;
        let card = Card {
            network: &self.start.name,
            start: &self.start.origin,
            data: &self.args.data.data.display().to_string(),
            images: [self.data[0].len(), valid.len()],
            classes,
            scores: &scores,
            config: &self.config,
            parameters: model.num_parameters(),
        };
        run.write("README.md", card.to_markdown().as_bytes())?;
        run.say(&format!(
            "best: top-1 {:.2} %, loss {:.4}; the network is `{}`",
            100.0 * scores.top1(),
            scores.loss(),
            self.args.output.join(BEST).display()
        ));
        Ok(match run.unreadable.is_empty() {
            true => Outcome::Done,
            false => Outcome::SomeFailed,
        })
    }

    fn json(&self, scores: &Scores) -> Result<Vec<u8>> {
        let classes: Vec<_> = scores.per_class();
        let value = serde_json::json!({
            "images": scores.images(),
            "top1": scores.top1(),
            "top5": scores.top5(),
            "loss": scores.loss(),
            "calibration_error": scores.calibration_error(),
            "names": self.data[1].classes(),
            "classes": classes,
        });
        Ok(serde_json::to_vec_pretty(&value)?)
    }
}

/// The wrong predictions, the most certain first.
#[derive(Default)]
struct Mistakes(Vec<Mistake>);

struct Mistake {
    number: usize,
    predicted: usize,
    confidence: f64,
}

impl Mistakes {
    fn add(&mut self, data: &Dataset, number: usize, logits: &[f32]) {
        let labels = data.samples()[number].labels();
        let mut one = Scores::new(logits.len());
        let (predicted, confidence) = match labels {
            [class] if !data.is_multi_label() => one.add(logits, *class),
            classes => one.add_several(logits, classes),
        };
        if labels.contains(&predicted) {
            return;
        }
        let place = self
            .0
            .partition_point(|other| other.confidence >= confidence);
        self.0.insert(
            place,
            Mistake {
                number,
                predicted,
                confidence,
            },
        );
        self.0.truncate(MISTAKES);
    }

    fn sheet(&self, data: &Dataset) -> image::RgbImage {
        let cell = |mistake: &Mistake| -> Option<Cell> {
            let sample = &data.samples()[mistake.number];
            let name = |class: usize| data.classes()[class].as_str();
            let truth: Vec<&str> = sample.labels().iter().map(|&class| name(class)).collect();
            let file = Path::new(&*sample.name())
                .file_name()
                .map(|name| name.to_string_lossy().into_owned());
            Some(Cell {
                image: sample.image().ok()?,
                lines: vec![
                    format!(
                        "{:.0} % {}",
                        100.0 * mistake.confidence,
                        name(mistake.predicted)
                    ),
                    format!("is {}", truth.join(", ")),
                    file.unwrap_or_default(),
                ],
            })
        };
        let cells: Vec<Cell> = self.0.iter().filter_map(cell).collect();
        sheet(&cells, 8)
    }
}
