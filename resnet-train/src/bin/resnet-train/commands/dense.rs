//! `train` and `finetune` for detectors and segmentation networks.

mod bench;
mod check;
mod conclude;
mod metadata;
mod mistakes;
mod observer;
mod preview;
mod start;

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use burn::backend::Autodiff;
use burn::tensor::backend::Backend;
use resnet_backend::Work;
use resnet_cli::{Outcome, tell_left_out};
use resnet_data::class_maps::{ClassMapDataset, ClassMapLoader};
use resnet_data::objects::{ObjectDataset, ObjectLoader, ObjectOptions};
use resnet_data::{BadImage, SplitOptions};
use resnet_dense::DenseConfig;
use resnet_train::dense::{DenseFit, DenseTask, DetectionTask, SegmentationTask};
use resnet_train::report::{DenseLog, Log};
use resnet_train::{Config, Ending, Position, Task, Trainable, Trainer};
use resnet_weights::Labels;
use sha2::{Digest, Sha256};

use crate::cli::{self, Bad};
use crate::commands::train::{Folder, hex};
use crate::run::{Clock, Run, stop_on_ctrl_c};
pub(crate) use bench::step as bench_step;
use observer::Observe;
pub(crate) use preview::run as preview;
use start::Start;

/// The training state file.
const STATE: &str = "last.checkpoint";

/// The training set and the validation set.
enum Data {
    Objects([ObjectDataset; 2]),
    ClassMaps([ClassMapDataset; 2]),
}

/// A validated run: everything that can fail early is checked before the device opens.
struct Job {
    args: cli::Run,
    config: Config,
    data: Data,
    start: Start,
    folder: Folder,
}

pub(crate) fn run(args: cli::Run, config: Config, offline: bool) -> Result<Outcome> {
    check::options(&args, &config)?;
    let data = Data::open(&args.data.data, args.objects.images.clone(), &config)?;
    data.tell(args.bad)?;
    let start = Start::new(&config, &data, args.memory, offline)?;
    check::data(&data, &config, &start.network)?;
    let folder = Folder::prepare(&args, &config, &data.comment())?;
    let selection = args.device.selection();
    let job = Job {
        args,
        config,
        data,
        start,
        folder,
    };
    resnet_backend::with_backend(selection, job)?
}

impl Data {
    fn open(path: &Path, images: Option<PathBuf>, config: &Config) -> Result<Self> {
        let options = ObjectOptions {
            images,
            keypoints: config.task == Task::Keypoints,
            split: SplitOptions {
                share: config.split,
                seed: config.seed,
            },
        };
        Ok(match config.task {
            Task::Segment => Self::ClassMaps(ClassMapDataset::open(path, &options)?),
            Task::Detect | Task::Keypoints => Self::Objects(ObjectDataset::open(path, &options)?),
            Task::Classify => bail!("expected --task detect, segment or keypoints"),
        })
    }

    /// Prints the invalid annotations, or returns the first one as an error.
    fn tell(&self, bad: Bad) -> Result<()> {
        let invalid: Vec<&BadImage> = match self {
            Self::Objects(sets) => sets.iter().flat_map(ObjectDataset::invalid).collect(),
            Self::ClassMaps(sets) => sets.iter().flat_map(ClassMapDataset::invalid).collect(),
        };
        if let (Bad::Fail, Some(BadImage { name, reason })) = (bad, invalid.first()) {
            bail!("`{name}`: {reason}; leave it out with --bad skip");
        }
        const SHOWN: usize = 20;
        invalid
            .iter()
            .take(SHOWN)
            .for_each(|image| tell_left_out(image));
        if invalid.len() > SHOWN {
            let more = invalid.len() - SHOWN;
            resnet_cli::note(&format!("{more} more annotations left out"));
        }
        Ok(())
    }

    /// Returns the class names, without a background.
    fn classes(&self) -> &[String] {
        match self {
            Self::Objects([train, _]) => train.classes(),
            Self::ClassMaps([train, _]) => train.classes().get(1..).unwrap_or_default(),
        }
    }

    fn lengths(&self) -> [usize; 2] {
        match self {
            Self::Objects([train, valid]) => [train.len(), valid.len()],
            Self::ClassMaps([train, valid]) => [train.len(), valid.len()],
        }
    }

    /// Returns the comment in `config.toml` that identifies the images.
    fn comment(&self) -> String {
        let mut hash = Sha256::new();
        match self {
            Self::Objects(sets) => {
                for image in sets.iter().flat_map(ObjectDataset::images) {
                    hash.update(file_name(&image.name()));
                    for (class, corners) in image.boxes() {
                        hash.update(class.to_le_bytes());
                        for corner in corners {
                            hash.update(corner.to_le_bytes());
                        }
                    }
                }
            }
            Self::ClassMaps(sets) => {
                for image in sets.iter().flat_map(ClassMapDataset::images) {
                    hash.update(file_name(&image.name()));
                }
            }
        }
        let [train, valid] = self.lengths();
        format!(
            "# {train} images, {valid} to validate with, classes {}: {}",
            self.classes().len(),
            hex(hash)
        )
    }

    /// Returns the labels of a network. If it has a background class, `background` is the first.
    fn labels(&self, config: &DenseConfig) -> Labels {
        let classes = self.classes().iter().cloned();
        let background = (config.num_classes() > self.classes().len()).then(|| "background".into());
        background.into_iter().chain(classes).collect()
    }
}

/// Returns the name of a file without its folders, so that a moved dataset is the same dataset.
fn file_name(path: &str) -> &[u8] {
    let name = Path::new(path).file_name();
    name.map_or(path.as_bytes(), OsStr::as_encoded_bytes)
}

impl Work for Job {
    type Output = Result<Outcome>;

    fn run<B: Backend>(self, device: B::Device) -> Result<Outcome> {
        match (&self.data, &self.start.network) {
            (Data::Objects([train, valid]), DenseConfig::Detection(network)) => {
                let mut loader =
                    ObjectLoader::training(train.clone(), self.config.objects, network)?;
                if let Some(workers) = self.args.workers {
                    loader = loader.with_workers(workers);
                }
                let task = DetectionTask {
                    train: loader
                        .with_batch_size(self.config.batch_size)
                        .with_seed(self.config.seed),
                    valid: Some(valid.clone()),
                };
                let network = self.start.load(&self.config, &device, || {
                    network.init::<Autodiff<B>>(&device)
                })?;
                self.train::<B, _>(network, task, &device)
            }
            (Data::ClassMaps([train, valid]), DenseConfig::Segmentation(network)) => {
                let mut loader = ClassMapLoader::training(train.clone(), self.config.class_maps)?;
                if let Some(workers) = self.args.workers {
                    loader = loader.with_workers(workers);
                }
                let task = SegmentationTask {
                    train: loader
                        .with_batch_size(self.config.batch_size)
                        .with_seed(self.config.seed),
                    valid: Some(valid.clone()),
                    preprocessing: self.config.segmentation_preprocessing(),
                };
                let network = self.start.load(&self.config, &device, || {
                    network.init::<Autodiff<B>>(&device)
                })?;
                self.train::<B, _>(network, task, &device)
            }
            _ => bail!(
                "`{}`: expected a network for --task {}, found another kind",
                self.start.name,
                cli::task_name(self.config.task)
            ),
        }
    }
}

impl Job {
    fn train<B: Backend, T: DenseTask<Autodiff<B>>>(
        mut self,
        network: T::Network,
        task: T,
        device: &B::Device,
    ) -> Result<Outcome>
    where
        T::Network: Trainable<Autodiff<B>>,
    {
        let mut run = Run {
            folder: self.args.output.clone(),
            log: Log::new(&self.args.output),
            save: self.save_options(),
            phase: "all",
            epochs: self.config.epochs,
            bad: self.args.bad,
            quiet: self.args.quiet,
            writes: true,
            stop: stop_on_ctrl_c()?,
            unreadable: HashSet::new(),
            clock: Clock::new(),
        };
        let [train, valid] = self.data.lengths();
        run.progress(&format!(
            "{} from {}, {train} training images, {valid} validation images, classes: {}",
            self.start.name,
            self.start.origin,
            self.data.classes().len(),
        ));
        let mut fit: DenseFit<T> = self.config.dense_fit::<Autodiff<B>, T>(task)?;
        let state = self.args.output.join(STATE);
        fit.state = Some(state.clone());
        fit.save_every = self.args.save_every;
        let trainer = Trainer::new(network, self.config.dense_settings());
        let (mut trainer, mut position) = match self.args.resume && state.exists() {
            true => fit.resume::<Autodiff<B>>(trainer, &state)?,
            false => (trainer, Position::default()),
        };
        self.folder.extend(&self.args)?;
        let mut log = DenseLog::new(&self.args.output);
        if self.args.resume {
            log = DenseLog::resume(&self.args.output, position.epoch)?;
            run.progress(&format!(
                "resuming at epoch {}, step {}",
                position.epoch + 1,
                position.step
            ));
        }
        let mut observer = Observe { run: &mut run, log };
        let ending = fit.run(&mut trainer, &mut position, device, &mut observer)?;
        if ending == Ending::Stopped {
            run.progress("stopped; continue with --resume");
            return Ok(Outcome::Stopped);
        }
        drop(trainer);
        self.conclude::<B>(&mut run, device)
    }
}
