//! Records of fused networks are rejected, in memory and by Burn's recorders.

use burn::module::Module;
use burn::record::{BinBytesRecorder, FullPrecisionSettings, NamedMpkBytesRecorder, Recorder};
use burn::tensor::TensorData;
use resnet_core::layers::{ConvNormAct, ConvPlan};
use resnet_core::{Arch, Network, NormKind, ResNet};
use resnet_testing::keyed;

use crate::Cpu;

type Named = NamedMpkBytesRecorder<FullPrecisionSettings>;
type Binary = BinBytesRecorder<FullPrecisionSettings>;

fn fresh() -> ResNet<Cpu> {
    Arch::TestResNet.config().init(&Default::default())
}

fn model() -> ResNet<Cpu> {
    keyed::fill(fresh(), 7)
}

fn logits(model: &ResNet<Cpu>) -> TensorData {
    let x = keyed::images::<Cpu>(7, [1, 3, 64, 64], &Default::default());
    model.forward(x).into_data()
}

fn to_bytes<R: Recorder<Cpu, RecordArgs = (), RecordOutput = Vec<u8>>>(
    model: ResNet<Cpu>,
) -> Vec<u8> {
    R::default().record(model.into_record(), ()).unwrap()
}

fn from_bytes<R: Recorder<Cpu, LoadArgs = Vec<u8>>>(bytes: Vec<u8>) -> ResNet<Cpu> {
    let record = R::default().load(bytes, &Default::default()).unwrap();
    fresh().load_record(record)
}

#[test]
fn a_record_gives_the_same_network() {
    let expected = logits(&model());
    for loaded in [
        from_bytes::<Named>(to_bytes::<Named>(model())),
        from_bytes::<Binary>(to_bytes::<Binary>(model())),
    ] {
        assert_eq!(logits(&loaded), expected);
        assert_eq!(logits(&loaded.fuse()), logits(&model().fuse()));
    }
}

#[test]
fn a_fused_network_is_not_recorded() {
    let record = model().fuse().into_record();
    let error = Recorder::<Cpu>::record(&Named::default(), record, ()).unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("found a fused one; make the record before `fuse()`"),
        "{error}"
    );
}

// Burn's recorder unwraps the error.
#[test]
#[should_panic(expected = "found a fused one; make the record before `fuse()`")]
fn a_fused_network_is_not_recorded_as_binary() {
    to_bytes::<Binary>(model().fuse());
}

#[test]
fn a_file_marked_as_fused_is_not_loaded() {
    const FALSE: u8 = 0xC2;
    const TRUE: u8 = 0xC3;
    let mut bytes = to_bytes::<Named>(model());
    let key = b"fold_mark";
    let place = bytes.windows(key.len()).position(|window| window == key);
    let mark = &mut bytes[place.unwrap() + key.len()];
    assert_eq!(*mark, FALSE);
    *mark = TRUE;
    let loaded: Result<<ResNet<Cpu> as Module<Cpu>>::Record, _> =
        Named::default().load(bytes, &Default::default());
    let error = loaded.err().unwrap().to_string();
    assert!(error.contains("found a fused one"), "{error}");
}

#[test]
#[should_panic(expected = "expected the record of a network that is not fused, found a fused one")]
fn an_unfused_network_refuses_the_record_of_a_fused_one() {
    fresh().load_record(model().fuse().into_record());
}

#[test]
#[should_panic(expected = "expected the record of a fused network, found one that is not fused")]
fn a_fused_network_refuses_the_record_of_an_unfused_one() {
    fresh().fuse().load_record(model().into_record());
}

#[test]
fn a_fused_network_takes_the_record_of_a_fused_one() {
    let loaded = fresh().fuse().load_record(model().fuse().into_record());
    assert_eq!(logits(&loaded), logits(&model().fuse()));
}

#[test]
fn a_network_without_batch_norms_is_recorded_after_fusing() {
    let mut config = Arch::ResNet50Gn.config();
    config.stages.truncate(1);
    let fresh: ResNet<Cpu> = config.init(&Default::default());
    let model = keyed::fill(fresh.clone(), 7);
    let expected = logits(&model);
    let bytes = to_bytes::<Named>(model.fuse());
    let record = Named::default().load(bytes, &Default::default()).unwrap();
    assert_eq!(logits(&fresh.load_record(record)), expected);
}

#[test]
#[should_panic(expected = "expected the record of a network that is not fused, found a fused one")]
fn a_layer_refuses_the_record_of_a_fused_one() {
    let plan = ConvPlan::new(3, 8, 3);
    let layer = ConvNormAct::<Cpu>::new(plan, NormKind::Batch, &Default::default());
    let mut fused = layer.clone();
    fused.fuse();
    layer.load_record(fused.into_record());
}
