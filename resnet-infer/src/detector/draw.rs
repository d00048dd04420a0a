//! Drawings of detected objects.

use image::RgbImage;
use resnet_image::draw::{Annotation, Region, annotate};

use super::{DetectedObject, ImageDetections};

impl ImageDetections {
    /// Draws the objects on the image: boxes with class and score, and translucent masks with
    /// outlines. Keypoints with a positive score are drawn, too, and connected by the
    /// [`skeleton`](Self::skeleton). Small images are enlarged.
    ///
    /// ```no_run
    /// # use resnet_cpu::Cpu;
    /// # let detector: resnet_infer::Detector<Cpu> = resnet_infer::Detector::open("mine.pth", &Default::default())?;
    /// let image = resnet_image::open("street.jpg")?;
    /// detector.detect_one(&image)?.draw(&image).save("street.png")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn draw(&self, image: &RgbImage) -> RgbImage {
        let objects: Vec<Annotation> = self.objects.iter().map(annotation).collect();
        annotate(image, &objects, &self.skeleton)
    }
}

fn annotation(object: &DetectedObject) -> Annotation {
    let mask = object.mask.as_ref();
    let points = object.keypoints.iter().flatten();
    Annotation {
        bounds: object.bounds,
        text: format!("{} {:.2}", object.label, object.score),
        color: object.class,
        mask: mask.and_then(|mask| Region::within(&mask.pixels()?, mask.size)),
        keypoints: points
            .map(|point| (point.score > 0.0).then_some([point.x, point.y]))
            .collect(),
    }
}
