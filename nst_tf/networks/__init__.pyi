from nst_tf.networks.one_pass import AdainResult as AdainResult
from nst_tf.networks.one_pass import AdainTransfer as AdainTransfer
