//! `probe`: a linear classifier on embeddings that are computed once (linear probe).

use std::io::{self, Write};

use anyhow::{Result, anyhow, ensure};
use burn::backend::Autodiff;
use burn::tensor::backend::Backend;
use resnet_backend::Work;
use resnet_cli::{Outcome, load_error, tell_left_out, tell_report};
use resnet_core::{Network, ResNet};
use resnet_data::{BadImage, DataLoader, Dataset};
use resnet_train::{Config, Embeddings, evaluate, linear_probe};
use resnet_weights::{Classes, FloatType, Resolved, Save};

use crate::cli::Probe;
use crate::start::{activation, labels};

pub(crate) fn run(args: Probe, offline: bool) -> Result<Outcome> {
    let config = Config {
        size: args.size,
        split: args.split,
        seed: args.seed,
        ..Config::default()
    };
    config.validate()?;
    ensure!(
        args.l2 >= 0.0 && args.l2.is_finite(),
        "--l2: expected a finite number of 0 or more, found {}",
        args.l2
    );
    let data = args.data.open(config.split, config.seed)?;
    let network = args.network.resolve(Classes::FromFile, offline)?;
    ensure!(
        args.network.runtime.dtype == FloatType::F32,
        "--dtype: expected f32, the only type that `probe` supports, found {}",
        args.network.runtime.dtype
    );
    let selection = args.network.runtime.selection();
    let job = Job {
        args,
        config,
        data,
        network,
    };
    resnet_backend::with_backend(selection, job)?
}

struct Job {
    args: Probe,
    config: Config,
    data: [Dataset; 2],
    network: Resolved,
}

impl Job {
    /// Loads the network without its classifier, which the probe replaces.
    fn backbone<B: Backend>(&self, device: &B::Device) -> Result<ResNet<B>> {
        let config = self.network.config.clone().with_num_classes(0);
        config.validate()?;
        let load = self.network.strictness().allow_other_classes();
        let loaded = load.apply(config.init(device), &self.network.checkpoint);
        let (model, report) = loaded.map_err(load_error)?;
        tell_report(&report);
        Ok(model)
    }
}

impl Work for Job {
    type Output = Result<Outcome>;

    fn run<B: Backend>(self, device: B::Device) -> Result<Outcome> {
        let model = self.backbone::<B>(&device)?;
        let preprocessing = self
            .config
            .preprocessing(self.network.preprocessing, &self.network.config);
        let preprocessing = self.args.normalization.over(preprocessing);
        preprocessing.validate()?;
        let side = preprocessing.crop.unwrap_or(224) as usize;
        self.network.config.check_input([side, side])?;
        preprocessing.check_channels(self.network.config.in_channels)?;
        let runtime = self.args.network.runtime;
        runtime.memory.check(
            self.network.checkpoint.name(),
            &self.network.config,
            self.args.batch_size,
            [side, side],
            "--size",
        )?;
        let [train, valid] = self
            .data
            .map(|data| DataLoader::new(data, preprocessing).with_batch_size(self.args.batch_size));
        let (labels, activation) = (labels(train.dataset()), activation(train.dataset()));
        let mut unreadable = 0;
        let mut bad = |image: &BadImage| {
            unreadable += 1;
            tell_left_out(image);
        };
        let embeddings = Embeddings::new(&model.clone().fuse(), &train, &device, &mut bad)?;
        let probe =
            linear_probe::<Autodiff<B>>(model, &embeddings, labels.len(), self.args.l2, &device);
        let model = probe.map_err(|error| anyhow!(error))?;
        let scores = evaluate(&model, &valid, &device, u64::MAX, |_, _| {}, &mut bad)?;
        let save = Save::default()
            .with_labels(labels)
            .with_preprocessing(preprocessing)
            .with_output_activation(activation);
        save.safetensors(&model, &self.args.output)?;
        writeln!(
            io::stdout(),
            "{} training images, {} validation images: top-1 {:.2} %, loss {:.4}",
            embeddings.len(),
            scores.images(),
            100.0 * scores.top1(),
            scores.loss()
        )?;
        Ok(Outcome::of(unreadable > 0))
    }
}
