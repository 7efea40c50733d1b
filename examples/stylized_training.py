"""Trains a small classifier on stylised photographs, so that it uses shape rather than texture.

    python -m examples.stylized_training --photos=photos --styles='paintings/*.jpg' --output=classifier.keras

`photos` has a subfolder of pictures for each class. After Geirhos et al. 2019, "ImageNet-trained CNNs are biased
towards texture": each photograph keeps its label and is repainted by AdaIN in the style of a random painting, a new one
in each epoch. --probability=1 is their Stylized-ImageNet, 0.5 roughly their training on both, 0 the usual training.
"""

import glob

import keras
import tensorflow as tf
from absl import app, flags

from nst_tf import configs, pictures, pipelines


def define_flags():
    flags.DEFINE_string("photos", None, "Folder with a subfolder of pictures for each class.", required=True)
    paintings = [f"sample:{sample.name}" for sample in pictures.list_samples() if sample.kind == "painting"]
    flags.DEFINE_list("styles", paintings, "Paintings: paths, globs or sample:NAME.")
    flags.DEFINE_string("output", None, "Where to save the trained classifier, a .keras file.")
    flags.DEFINE_integer("size", 128, "Sides of the pictures, px.")
    flags.DEFINE_integer("epochs", 20, "Passes over the photographs.")
    flags.DEFINE_integer("batch_size", 32, "Pictures in a step.")
    flags.DEFINE_float("probability", 0.5, "Share of the photographs that are stylised.")
    flags.DEFINE_integer("seed", 0, "Seed of the split, the order, the styles and the first weights.")


def main(_):
    patterns = flags.FLAGS.styles
    paintings = [path for p in patterns for path in ([p] if p.startswith("sample:") else sorted(glob.glob(p)))]
    augment = pipelines.StyleAugment(
        paintings, configs.StyleAugmentConfig(probability=flags.FLAGS.probability, seed=flags.FLAGS.seed)
    )
    model, scores = train(
        flags.FLAGS.photos,
        augment,
        side_px=flags.FLAGS.size,
        epochs=flags.FLAGS.epochs,
        batch_size=flags.FLAGS.batch_size,
        seed=flags.FLAGS.seed,
    )
    for kind, score in scores.items():
        print(f"accuracy on held-out photographs, {kind}: {score:.3f}")
    if flags.FLAGS.output:
        model.save(flags.FLAGS.output)


def train(folder, augment, *, side_px, epochs, batch_size, seed):
    """The classifier of a folder's classes, and its accuracy on held-out photographs, plain and stylised."""
    keras.utils.set_random_seed(seed)
    parts = keras.utils.image_dataset_from_directory(
        folder,
        validation_split=0.25,
        subset="both",
        seed=seed,
        image_size=(side_px, side_px),
        batch_size=batch_size,
        crop_to_aspect_ratio=True,
    )
    classes = len(parts[0].class_names)
    photographs, held_out = (part.map(lambda images, labels: (images / 255.0, labels)) for part in parts)
    steps = int(photographs.cardinality())
    training = (
        photographs.repeat()
        .enumerate()  # the number of a batch is its seed: new styles in each epoch, the same ones in each run
        .map(lambda n, batch: (augment(batch[0], seed=n), batch[1]), num_parallel_calls=tf.data.AUTOTUNE)
        .prefetch(tf.data.AUTOTUNE)
    )
    model = classifier(classes)
    model.fit(
        training,
        steps_per_epoch=steps,
        epochs=epochs,
        validation_data=held_out,
        shuffle=False,  # the folder's reader already shuffles
        verbose=2,
    )

    every = configs.StyleAugmentConfig(probability=1)
    repaint = pipelines.StyleAugment(augment.styles, every, network=augment.network)
    repainted = held_out.enumerate().map(lambda n, batch: (repaint(batch[0], seed=n), batch[1]))
    return model, {
        kind: model.evaluate(dataset, verbose=0, return_dict=True)["accuracy"]
        for kind, dataset in (("as they are", held_out), ("stylised", repainted))
    }


def classifier(classes):
    """A small convolutional network."""
    layers = keras.layers
    blocks = [
        layer
        for filters in (16, 32, 64)
        for layer in (layers.Conv2D(filters, 3, padding="same", activation="relu"), layers.MaxPooling2D())
    ]
    model = keras.Sequential([*blocks, layers.GlobalAveragePooling2D(), layers.Dense(classes)])
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


if __name__ == "__main__":
    define_flags()
    app.run(main)
