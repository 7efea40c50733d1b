from nst_tf.pictures.images import Picture as Picture
from nst_tf.pictures.images import from_array as from_array
from nst_tf.pictures.images import load as load
from nst_tf.pictures.images import resize as resize
from nst_tf.pictures.images import save as save
from nst_tf.pictures.samples import Sample as Sample
from nst_tf.pictures.samples import list_samples as list_samples
