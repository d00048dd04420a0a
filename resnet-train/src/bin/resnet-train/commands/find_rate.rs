//! `find-rate`: a learning rate range test.

use std::io::{self, Write};

use anyhow::{Result, bail};
use burn::backend::Autodiff;
use burn::tensor::backend::Backend;
use resnet_backend::Work;
use resnet_cli::{Outcome, write};
use resnet_train::report::rate_svg;
use resnet_train::{Config, Fit, RateSearch, Trainer};

use crate::cli::FindRate;
use crate::start::Start;

pub(crate) fn run(args: FindRate, offline: bool) -> Result<Outcome> {
    if !(args.from > 0.0 && args.from < args.to && args.to.is_finite()) {
        bail!(
            "expected rates from above 0 up, found --from {} --to {}",
            args.from,
            args.to
        );
    }
    let config = args.optimization.config(&args.data.data, None)?;
    let data = args.data.open(config.split, config.seed)?;
    let classes = data[0].classes().len();
    let start = Start::new(&config, classes, args.memory, offline)?;
    let fit = config.fit(data, start.preprocessing)?;
    let side = config.training_side(&start.preprocessing) as usize;
    fit.check_batch(&start.network, config.norms, [side; 2])?;
    let selection = args.device.selection();
    let job = Job {
        args,
        config,
        start,
        fit,
    };
    resnet_backend::with_backend(selection, job)?
}

struct Job {
    args: FindRate,
    config: Config,
    start: Start,
    fit: Fit,
}

impl Work for Job {
    type Output = Result<Outcome>;

    fn run<B: Backend>(self, device: B::Device) -> Result<Outcome> {
        let model = self.start.load::<Autodiff<B>>(self.config.seed, &device)?;
        let mut trainer = Trainer::new(model, self.config.settings(self.fit.train.dataset()));
        let rates = [self.args.from, self.args.to];
        let steps = self.args.steps;
        let search = RateSearch::run(&mut trainer, &self.fit, rates, steps, &device)?;
        if let Some(path) = &self.args.output {
            write(path, rate_svg(&search).as_bytes())?;
        }
        let mut out = io::stdout().lock();
        match search.suggestion() {
            Some(rate) => writeln!(out, "{rate:.1e}")?,
            None => bail!(
                "the loss never falls from {:e} to {:e}: expected a fall; try lower rates or more steps",
                rates[0],
                rates[1]
            ),
        }
        Ok(Outcome::Done)
    }
}
