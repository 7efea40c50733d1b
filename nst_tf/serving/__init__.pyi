from nst_tf.serving.client import load as load
from nst_tf.serving.client import stylize as stylize
