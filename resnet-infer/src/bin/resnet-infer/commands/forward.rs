//! `forward`: saves the logits, the embedding and the feature maps of a tensor.

mod dense;

use std::path::Path;

use anyhow::{Context, Result, bail};
use burn::tensor::backend::Backend;
use burn::tensor::{DType, FloatDType, Tensor, TensorData};
use resnet_backend::Work;
use resnet_cli::{CompileFlags, Outcome, compiles, write};
use resnet_core::{Network, Outputs as BurnOutputs, ResNetConfig};
use resnet_engine::Outputs;
use resnet_weights::{Checkpoint, Classes, Resolved};
use safetensors::tensor::{Dtype, TensorView};

use crate::cli::Forward;
use crate::commands::check_distinct;

pub(crate) fn run(args: Forward, offline: bool) -> Result<Outcome> {
    check_output(&args)?;
    if args.network.is_dense()? {
        return dense::run(args, offline);
    }
    let mut network = args.network.resolve(Classes::FromFile, offline)?;
    // The checkpoint may be in the cache, which the output must not overwrite.
    check_distinct(&args.output, network.checkpoint.name().as_ref())?;
    if let Some(output_stride) = args.output_stride {
        network.config = network.config.with_output_stride(output_stride);
    }
    network.config.validate()?;
    let input = read_input(&args.input, &network.config)?;
    if let &[batch, _, height, width] = input.shape.as_slice() {
        let memory = args.network.runtime.memory;
        memory.check(
            args.input.display(),
            &network.config,
            batch,
            [height, width],
            "in --input",
        )?;
    }
    let selection = args.network.runtime.selection();
    let job = Job {
        args,
        network,
        input,
    };
    // Only compiled networks run integers.
    let fuse = job.args.fuse || job.network.checkpoint.is_quantized();
    match fuse && compiles(selection) {
        true => job.compiled(),
        false => resnet_backend::with_backend(selection, job)?,
    }
}

fn read_input(path: &Path, config: &ResNetConfig) -> Result<TensorData> {
    let file = path.display();
    let tensors = Checkpoint::open(path)?;
    let Some(entry) = tensors.get("input") else {
        let keys: Vec<_> = tensors.entries().take(5).map(|entry| entry.key()).collect();
        bail!(
            "`{file}`: expected a tensor `input`, found {}",
            keys.join(", ")
        );
    };
    if !entry.dtype().is_float() {
        bail!(
            "`{file}`: `input`: expected floats, found {}",
            entry.dtype()
        );
    }
    let channels = config.in_channels;
    let &[batch, found, height, width] = entry.shape() else {
        bail!(
            "`{file}`: `input`: expected [batch, {channels}, height, width], found {:?}",
            entry.shape()
        );
    };
    if found != channels || batch == 0 {
        bail!(
            "`{file}`: `input`: expected [1 or more, {channels}, height, width], found {:?}",
            entry.shape()
        );
    }
    config
        .check_input([height, width])
        .with_context(|| format!("`{file}`"))?;
    let input = tensors.read("input")?;
    if !input.iter::<f32>().all(f32::is_finite) {
        bail!("`{file}`: `input`: expected finite numbers, found infinities or NaN");
    }
    Ok(input)
}

/// Checks the paths before the network runs: the output must be writable and must not overwrite the
/// input.
fn check_output(args: &Forward) -> Result<()> {
    let output = args.output.display();
    let folder = args
        .output
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    if folder.is_some_and(|folder| !folder.is_dir()) || args.output.is_dir() {
        bail!("`{output}`: expected the path of a file in a folder that exists");
    }
    if !args.input.is_file() {
        bail!(
            "`{}`: expected a safetensors file, found none",
            args.input.display()
        );
    }
    check_distinct(&args.output, &args.input)
}

struct Job {
    args: Forward,
    network: Resolved,
    input: TensorData,
}

impl Work for Job {
    type Output = Result<Outcome>;

    fn run<B: Backend>(self, device: B::Device) -> Result<Outcome> {
        let model = resnet_cli::load::<B>(&self.network, &device)?;
        let model = if self.args.fuse { model.fuse() } else { model };
        let dtype = FloatDType::from(self.args.network.runtime.dtype);
        let model = model.cast(dtype)?;
        let input = Tensor::from_data(self.input, (&device, dtype.into()));
        let BurnOutputs {
            pyramid,
            embedding,
            logits,
        } = model.forward_all(input);
        let mut tensors = vec![("embedding".to_string(), embedding.into_data())];
        if self.network.config.num_classes > 0 {
            tensors.push(("logits".to_string(), logits.into_data()));
        }
        let maps = pyramid.into_maps().into_iter().enumerate();
        tensors.extend(maps.map(|(i, map)| (format!("c{}", i + 1), map.into_data())));
        save(&self.args.output, tensors)?;
        Ok(Outcome::Done)
    }
}

impl Job {
    /// Runs the compiled network.
    fn compiled(self) -> Result<Outcome> {
        let input = self.input.convert::<f32>();
        let [batch, _, height, width] = input.shape.dims();
        let dtype = self.args.network.runtime.dtype;
        let options = CompileFlags::default().options(dtype, batch, Some([height, width]));
        let engine = resnet_cli::compile(&self.network, options)?;
        let maps = engine.config().features().len();
        let outputs = Outputs {
            logits: engine.config().num_classes > 0,
            embedding: true,
            c1: true,
            c2: true,
            c3: maps > 2,
            c4: maps > 3,
            c5: maps > 4,
        };
        let mut session = engine.session();
        let results = session.run(resnet_cli::batch(&input), outputs)?;
        let mut tensors = Vec::new();
        let vectors = [
            ("embedding", results.embedding()),
            ("logits", results.logits()),
        ];
        for (name, values) in vectors {
            if let Some(values) = values {
                let shape = [batch, values.len() / batch];
                tensors.push((name.to_string(), TensorData::new(values.to_vec(), shape)));
            }
        }
        for number in 1..=maps {
            if let Some(map) = results.map(number) {
                let data = TensorData::new(map.to_channels_first(), map.dims());
                tensors.push((format!("c{number}"), data));
            }
        }
        save(&self.args.output, tensors)?;
        Ok(Outcome::Done)
    }
}

fn save(path: &Path, tensors: Vec<(String, TensorData)>) -> Result<()> {
    let tensors: Vec<_> = tensors
        .into_iter()
        .map(|(key, data)| match data.dtype {
            DType::I64 => (key, Dtype::I64, data),
            _ => (key, Dtype::F32, data.convert::<f32>()),
        })
        .collect();
    let views = tensors.iter().map(|(key, dtype, data)| {
        let view = TensorView::new(*dtype, data.shape.to_vec(), data.as_bytes())?;
        Ok((key, view))
    });
    let views = views.collect::<Result<Vec<_>>>()?;
    let bytes = safetensors::serialize(views, None)?;
    write(path, &bytes)
}
