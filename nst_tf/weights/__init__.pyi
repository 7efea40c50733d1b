from nst_tf.weights.vgg19 import VggWeights as VggWeights
from nst_tf.weights.vgg19 import load as load
