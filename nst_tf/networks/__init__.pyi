from nst_tf.networks.adain import AdainNetwork as AdainNetwork
from nst_tf.networks.adain import Moments as Moments
from nst_tf.networks.adain import blend as blend
from nst_tf.networks.adain import load as load
from nst_tf.networks.multi_style_transfer import MultiStyleResult as MultiStyleResult
from nst_tf.networks.multi_style_transfer import MultiStyleTransfer as MultiStyleTransfer
from nst_tf.networks.one_pass import AdainResult as AdainResult
from nst_tf.networks.one_pass import AdainTransfer as AdainTransfer
